// Exit 0 when the URL answers 200. The certificate is the gateway's own and this asks it on loopback, so it is not checked.
import http from 'node:http';
import https from 'node:https';

const url = new URL(process.argv[2] ?? 'https://127.0.0.1:8443/readyz');
const { get } = url.protocol === 'https:' ? https : http;
const request = get(url, { rejectUnauthorized: false, timeout: 2_000 }, (response) => {
  response.resume();
  process.exit(response.statusCode === 200 ? 0 : 1);
});
request.on('timeout', () => request.destroy(new Error('timed out')));
request.on('error', () => process.exit(1));
