// BullMQ. `fill N`, then `work CONCURRENCY`. The job's data is the payload itself, as a Node team hands it over, so
// that it is parsed once, by BullMQ, when the worker gets it. Finished jobs are removed.

import { openSync, readFileSync, writeSync } from "node:fs";
import { Queue, Worker } from "bullmq";

const AT_ONCE = 1000;

const url = new URL(process.env.BENCH_REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };

async function fill(count) {
  const queue = new Queue("bench", { connection });
  const lines = readFileSync(process.env.BENCH_BODIES, "utf8").trimEnd().split("\n");
  for (let start = 0; start < count; start += AT_ONCE) {
    const group = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, index) => ({
      name: "note",
      data: JSON.parse(lines[(start + index) % lines.length]),
      opts: { removeOnComplete: true },
    }));
    await queue.addBulk(group);
  }
  await queue.close();
}

function marker() {
  const file = openSync(process.env.BENCH_MARKS, "a", 0o600);
  const bytes = Buffer.alloc(8);
  return () => {
    bytes.writeDoubleLE((performance.timeOrigin + performance.now()) / 1000);
    writeSync(file, bytes);
  };
}

function work(concurrency) {
  const mark = marker();
  const processor = async (job) => {
    if (!job.data.body.note.id) throw new Error("not a note");
    mark();
  };
  const worker = new Worker("bench", processor, { connection, concurrency });
  worker.on("error", (error) => console.error(error));
  process.on("SIGTERM", async () => {
    await worker.close();
    process.exit(0);
  });
}

const [command, number] = process.argv.slice(2);
if (command === "fill") await fill(Number(number));
else work(Number(number));
