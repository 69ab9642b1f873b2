// Runs a model on ONNX Runtime: node run.js MODEL.onnx IN CHANNELS HEIGHT WIDTH OUT
// IN holds the picture's elements, [C][H][W]; OUT gets the outputs' elements, in order.
const fs = require("fs");
const ort = require("onnxruntime-node");

async function main([model, input, c, h, w, output]) {
  // Without VNNI the runtime adds pairs of products in 16 bits, which saturate, unless it is told to be exact.
  const options = {
    intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3,
    extra: { session: { x64quantprecision: "1" } },
  };
  if (process.env.OPTIMISED) options.optimizedModelFilePath = process.env.OPTIMISED;
  const session = await ort.InferenceSession.create(model, options);
  const bytes = new Uint8Array(fs.readFileSync(input));
  const dims = [1, +c, +h, +w];
  const count = c * h * w;
  const tensor = bytes.length === count
    ? new ort.Tensor("uint8", bytes, dims)
    : new ort.Tensor("float32", new Float32Array(bytes.buffer, 0, count), dims);
  const results = await session.run({ [session.inputNames[0]]: tensor });
  const parts = session.outputNames.map((name) => {
    const d = results[name].data;
    return Buffer.from(d.buffer, d.byteOffset, d.byteLength);
  });
  fs.writeFileSync(output, Buffer.concat(parts));
  if (process.env.TIMES) {
    const feeds = { [session.inputNames[0]]: tensor };
    const cpu = [];
    for (let i = 0; i < +process.env.TIMES; i++) {
      const start = process.cpuUsage();
      await session.run(feeds);
      const used = process.cpuUsage(start);
      cpu.push((used.user + used.system) / 1e3);
    }
    cpu.sort((a, b) => a - b);
    console.log("CPU ms", cpu[cpu.length >> 1]);
  }
}

main(process.argv.slice(2)).catch((e) => { console.error(String(e)); process.exit(1); });
