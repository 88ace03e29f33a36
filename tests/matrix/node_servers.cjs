// Node's https with client certificates demanded, once for every four arguments: PEM of the server with its key, CAs,
// CRLs, TLS version. Says on one line on which ports of 127.0.0.1 they listen, in their order.
"use strict";

const fs = require("node:fs");
const https = require("node:https");

function listen([server, ca, crl, version]) {
  const [pem, anchors, crls] = [server, ca, crl].map((path) => fs.readFileSync(path, "ascii"));
  // Of one text Node takes the first CRL only; an array has each.
  const lists = crls.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----\n/g);
  const options = {
    cert: pem,
    key: pem,
    ca: anchors,
    crl: lists,
    minVersion: version,
    maxVersion: version,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const running = https.createServer(options, (_request, response) => response.end("ok"));
  return new Promise((resolve) => running.listen(0, "127.0.0.1", () => resolve(running.address().port)));
}

async function main() {
  const given = process.argv.slice(2);
  const ports = [];
  while (given.length) {
    ports.push(await listen(given.splice(0, 4)));
  }
  process.stdout.write(`${ports.join(" ")}\n`);
}

main();
