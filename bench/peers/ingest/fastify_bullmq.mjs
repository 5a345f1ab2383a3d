// Fastify and BullMQ, which is what a Node team builds. Its logger is off, as it is by default; the body is kept as
// the text that it came as, since that is what is signed, and goes into the job so, which spares parsing it here.

import { createHmac, timingSafeEqual } from "node:crypto";
import { Queue } from "bullmq";
import Fastify from "fastify";
import IORedis from "ioredis";

const esaSecret = process.env.BENCH_ESA_SECRET;
const misskeySecret = Buffer.from(process.env.BENCH_MISSKEY_SECRET);

// ioredis can gather the commands of one turn of the event loop. BullMQ's documentation doesn't speak of it, and its
// author doubts that it goes with BullMQ's workers, but it makes adding faster: both ways are measured.
const connection = new IORedis(process.env.BENCH_REDIS_URL, {
  enableAutoPipelining: Boolean(process.env.BENCH_PIPELINED),
});
const queue = new Queue("webhooks", { connection });
const app = Fastify();

const isSame = (left, right) => left.length === right.length && timingSafeEqual(left, right);

function isFromEsa(request) {
  const digest = createHmac("sha256", esaSecret).update(request.body).digest("hex");
  return isSame(Buffer.from(`sha256=${digest}`), Buffer.from(request.headers["x-esa-signature"] ?? ""));
}

function isFromMisskey(request) {
  return isSame(misskeySecret, Buffer.from(request.headers["x-misskey-hook-secret"] ?? ""));
}

function receive(source, isGenuine) {
  return async (request, reply) => {
    if (!isGenuine(request)) return reply.code(401).send();
    await queue.add(source, { body: request.body });
    return reply.code(202).send();
  };
}

app.removeContentTypeParser("application/json");
app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => done(null, body));
app.post("/hooks/team", receive("esa", isFromEsa));
app.post("/hooks/misskey", receive("misskey", isFromMisskey));
await app.listen({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT) });
