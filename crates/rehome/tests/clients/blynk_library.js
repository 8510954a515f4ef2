// Drives the unmodified npm client: logs in, writes V1, prints what it receives on V2 as one JSON line each.
// Usage: node blynk_library.js <folder with node_modules> <token> <port>
'use strict';

const path = require('path');

const [folder, token, port] = process.argv.slice(2);
const Blynk = require(path.join(folder, 'node_modules', 'blynk-library'));

const report = (event, detail) => process.stdout.write(`\nEVENT ${JSON.stringify({ event, detail })}\n`);

const blynk = new Blynk.Blynk(token, {
  connector: new Blynk.TcpClient({ addr: '127.0.0.1', port: Number(port) }),
});
const written = new blynk.VirtualPin(1);
const received = new blynk.VirtualPin(2);

blynk.on('connect', () => {
  report('connected', null);
  written.write('written by npm');
});
blynk.on('error', (error) => report('error', String(error)));
received.on('write', (values) => report('received', values));
