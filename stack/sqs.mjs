// The local SQS: fauxqs on a port of the loopback address, its messages in one SQLite file.
//
//     node sqs.mjs PORT DIRECTORY
//
// Prints one line when it answers. fauxqs 2.4.1 has five defects that matter here; each is cured
// below from outside, and each cure ends the program where a new version has moved its ground.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";

import { startFauxqs } from "fauxqs";
// The package exports its entry alone; these are the very modules that the entry itself loads.
import { PersistenceManager } from "./node_modules/fauxqs/dist/persistence.js";
import { SqsQueue, SqsStore } from "./node_modules/fauxqs/dist/sqs/sqsStore.js";
import { INVALID_MESSAGE_BODY_CHAR } from "./node_modules/fauxqs/dist/sqs/sqsTypes.js";

const LOOPBACK = "127.0.0.1";
const [port, directory] = process.argv.slice(2);
assert(port && directory, "usage: node sqs.mjs PORT DIRECTORY");

// 1. It listens on every address of the machine, whatever it is told.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (options, ...rest) {
  assert.equal(options?.host, "0.0.0.0", "fauxqs listens in another way now");
  return listen.call(this, { ...options, host: LOOPBACK }, ...rest);
};

// 2. It refuses characters beyond U+FFFF, such as emoji, which AWS takes.
// Source: AWS, SendMessage: #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF.
assert(INVALID_MESSAGE_BODY_CHAR.test("\u{1F5D1}"), "fauxqs takes emoji by itself now");
INVALID_MESSAGE_BODY_CHAR.compile("[^\\x09\\x0A\\x0D\\x20-\\uD7FF\\uE000-\\uFFFD\\u{10000}-\\u{10FFFF}]", "u");

// 3. A message that is released (ChangeMessageVisibility 0) is lost until the next start: with a
// file to write to, it sets a receive count of NULL where the column allows none, and answers 500.
assert.equal(PersistenceManager.prototype.updateMessageReady?.length, 1, "fauxqs releases in another way now");
PersistenceManager.prototype.updateMessageReady = function (messageId) {
  this.releaseMessage ??= this.db.prepare(
    "UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?",
  );
  this.releaseMessage.run(messageId);
};

// 4. Its queue URLs name hosts such as sqs.us-west-1.localhost, which not every resolver knows.
// Some SDKs send to the URL's own host.
assert.equal(SqsStore.prototype.buildQueueUrl?.length, 4, "fauxqs builds queue URLs in another way now");
SqsStore.prototype.buildQueueUrl = (name) => `http://${LOOPBACK}:${port}/000000000000/${name}`;

// 5. A message whose time is over counts as invisible until somebody receives: after the last worker, for ever.
assert.equal(SqsQueue.prototype.getAllAttributes?.length, 1, "fauxqs counts in another way now");
const { getAllAttributes } = SqsQueue.prototype;
SqsQueue.prototype.getAllAttributes = function (requested) {
  this.processTimers();
  return getAllAttributes.call(this, requested);
};

// Any web page that a browser of this machine shows may send to it, also without asking first. Browsers name the page in
// Origin or Sec-Fetch-Site, which no SDK sends; a page whose host name leads to this machine shows itself in Host.
const OURS = /^(127\.0\.0\.1|localhost|\[::1\]|[a-z0-9.-]+\.localhost)(:\d+)?$/i;
const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (event, request, response) {
  const isByPage = (headers) => headers.origin || headers["sec-fetch-site"] || !OURS.test(headers.host ?? LOOPBACK);
  if (!(response instanceof http.ServerResponse) || !isByPage(request.headers)) return emit.apply(this, arguments);
  response.writeHead(403, { "Content-Type": "text/plain", Connection: "close" });
  response.end("This server is for programs on this machine, not for web pages.\n");
  return true;
};

// Not a defect, but half of its time: a file sync for each message. Without it, what was acknowledged
// still survives kill -9 of this process (2 to 3 times as many messages a second, 2026-11); only a
// machine that loses power may lose the last moments.
const prepareStatements = PersistenceManager.prototype.prepareStatements;
PersistenceManager.prototype.prepareStatements = function () {
  this.db.exec("PRAGMA synchronous = NORMAL");
  return prepareStatements.call(this);
};

const server = await startFauxqs({ port: Number(port), dataDir: directory, logger: { level: "error" } });
console.log(`SQS on http://${LOOPBACK}:${server.port}, messages in ${directory}`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await server.stop();
    process.exit(0);
  });
}
