"use strict";
// Node's https with a client certificate demanded: node node_server.js KEY CHAIN CA PORT
const fs = require("node:fs");
const https = require("node:https");

const [key, cert, ca] = process.argv.slice(2, 5).map((path) => fs.readFileSync(path));
const options = { key, cert, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["http/1.1"] };
https
  .createServer(options, (request, response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-length": 2 });
    response.end("ok");
  })
  .listen(Number(process.argv[5]), "127.0.0.1");
