# What the router of a hotel answers to every request, whatever host it is for.
while IFS= read -r line && [ "$line" != "$(printf '\r')" ]; do :; done
printf 'HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
