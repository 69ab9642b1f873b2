// One ONNX Runtime session, driven over standard input.
//
//   node ort.js MODEL THREADS SPIN INPUT
//
// MODEL has one input, of the type and the bytes of file INPUT and a shape that the
// model fixes. A line with a number n makes n runs, of which the answer, one line
// of JSON, gives wall and process CPU time, each in ms; the line "output DIR" writes
// the outputs to DIR/0, DIR/1, ... in the order of the model.
'use strict';
const fs = require('fs');
const readline = require('readline');
const ort = require('onnxruntime-node');

async function main() {
  const [model, threads, spin, input] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {session: {intra_op: {allow_spinning: spin}}},
  });
  const {type, shape} = session.inputMetadata[0];
  const raw = fs.readFileSync(input);
  const bytes = raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length);
  const data = type === 'float32' ? new Float32Array(bytes) : new Uint8Array(bytes);
  const feeds = {[session.inputNames[0]]: new ort.Tensor(type, data, shape)};

  const answer = (v) => process.stdout.write(JSON.stringify(v) + '\n');
  answer({version: require('onnxruntime-node/package.json').version, outputs: session.outputNames});
  for await (const line of readline.createInterface({input: process.stdin})) {
    if (line.startsWith('output ')) {
      const out = await session.run(feeds);
      session.outputNames.forEach((name, i) => {
        const d = out[name].data;
        fs.writeFileSync(`${line.slice(7)}/${i}`, Buffer.from(d.buffer, d.byteOffset, d.byteLength));
      });
      answer({});
      continue;
    }
    const wall = [], cpu = [];
    for (let i = Number(line); i > 0; i--) {
      const used = process.cpuUsage(), start = process.hrtime.bigint();
      await session.run(feeds);
      wall.push(Number(process.hrtime.bigint() - start) / 1e6);
      const {user, system} = process.cpuUsage(used);
      cpu.push((user + system) / 1e3);
    }
    answer({wall, cpu});
  }
}

main().catch((err) => {
  console.error(err.message);
  process.exit(1);
});
