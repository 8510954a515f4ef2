type SendRequest = (request: Request) => Promise<Response>;

/** Statuses whose answers have no body; `Response` refuses one. */
const STATUSES_WITHOUT_BODY = [204, 205, 304];

/**
 * Returns a stand-in for `fetch` that sends `body` and tells how much of it is sent, from 0 to 1.
 *
 * `fetch` itself cannot tell; `XMLHttpRequest` can.
 */
export function fetchWithProgress(body: Blob, onProgress: (share: number) => void): SendRequest {
  return (request) =>
    new Promise((resolve, reject) => {
      const sending = new XMLHttpRequest();
      sending.open(request.method, request.url);
      request.headers.forEach((value, name) => sending.setRequestHeader(name, value));
      sending.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total);
      });
      sending.addEventListener("load", () => resolve(answerFrom(sending)));
      sending.addEventListener("error", () => reject(new TypeError("the upload failed")));
      sending.addEventListener("abort", () => reject(new DOMException("the upload was called off", "AbortError")));
      request.signal.addEventListener("abort", () => sending.abort());
      sending.send(body);
    });
}

function answerFrom(sending: XMLHttpRequest): Response {
  const { status, statusText } = sending;
  const type = sending.getResponseHeader("Content-Type");
  const body = STATUSES_WITHOUT_BODY.includes(status) ? null : sending.responseText;
  return new Response(body, { status, statusText, headers: type ? { "Content-Type": type } : {} });
}
