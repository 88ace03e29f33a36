// Makes a GET for each line on stdin: URL, CA file, identity folder and TLS version, apart by tabs.
// Answers each with one line: "status N" or "error WORDS".
"use strict";

const fs = require("node:fs");
const https = require("node:https");
const path = require("node:path");
const readline = require("node:readline");

const [kind, undiciFolder] = process.argv.slice(2);
const undici = kind === "fetch" ? require(undiciFolder) : null;

function tls(caFile, identity, version) {
  const options = { ca: fs.readFileSync(caFile) };
  if (version !== "-") {
    options.minVersion = options.maxVersion = version;
  }
  if (identity !== "-") {
    options.key = fs.readFileSync(path.join(identity, "key.pem"));
    options.cert = fs.readFileSync(path.join(identity, "chain.pem"));
  }
  return options;
}

function byHttps(url, options) {
  return new Promise((resolve, reject) => {
    const request = https.get(url, { ...options, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

// The alert that refuses a certificate in TLS 1.3 comes when undici is connected already. It takes note, waits
// for the end of the stream, and then says "other side closed". Ending the socket with its error keeps the reason.
function keepingAlerts(connect) {
  return (target, done) =>
    connect(target, (error, socket) => {
      socket?.on("error", (reason) => socket.destroy(reason));
      done(error, socket);
    });
}

async function byFetch(url, options) {
  const dispatcher = new undici.Agent({ connect: keepingAlerts(undici.buildConnector(options)) });
  try {
    const response = await undici.fetch(url, { dispatcher });
    await response.text();
    return response.status;
  } finally {
    await dispatcher.destroy();
  }
}

function words(error) {
  const parts = [];
  for (let cause = error; cause && parts.length < 8; cause = cause.cause) {
    parts.push(`${cause.name} ${cause.code || ""} ${cause.message}`);
  }
  return parts.join("; ").replace(/\s+/g, " ");
}

async function main() {
  const get = kind === "fetch" ? byFetch : byHttps;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [url, caFile, identity, version] = line.split("\t");
    let answer;
    try {
      answer = `status ${await get(url, tls(caFile, identity, version))}`;
    } catch (error) {
      answer = `error ${words(error)}`;
    }
    process.stdout.write(`${answer}\n`);
  }
}

main();
