// Writes expected.json: token ids and embeddings from the published encoder itself, run by
// TensorFlow.js with the published tokeniser. Nothing of ours takes part, which is the point.
//
//   In any scratch folder, with the published files that setup/setup.sh left in the cache:
//     npm install --ignore-scripts --legacy-peer-deps \
//       @tensorflow/tfjs@4.22.0 @tensorflow-models/universal-sentence-encoder@1.3.3
//     NODE_PATH=$PWD/node_modules node <here>/reference.cjs <cache>/npm-models/use-lite > expected.json

'use strict';

const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');
const {Tokenizer} = require('@tensorflow-models/universal-sentence-encoder/dist/tokenizer');

const SENTENCES = [
  'My card was swallowed by the cash machine.',
  'Can I move my appointment to Thursday morning?',
  'The chest pain comes back when I climb stairs.',
  'Please send the blood test results to Dr. Osei, fax: 555-0199.',
  'I cannot log in since I changed my phone; the code never arrives.',
  // NFKC: a ligature, a fraction and a numero sign come apart; ideographs and faces are unknown
  // pieces, and neighbours among them become one.
  '\u00c7a va? Na\u00efve caf\u00e9 \u2014 \ufb01ne \u21165 \u00bd \u6771\u4eac \u{1F600}\u{1F600} end',
  'A \u201cquote\u201d, a dash \u2013 and <s> as plain text.',
  // The scores of pieces with a colon were lost upstream.
  'Visit at 10:30 or 14:00 (ward: B).',
  'a',
  'The insurer wants an itemised bill for the operation in March, including anaesthesia, two ' +
      'nights on the ward, physiotherapy and the medicines I was given to take home afterwards.',
];
const NUM_VALUES = 8;

async function main(folder) {
  await tf.setBackend('cpu');
  const read = (name) => fs.readFileSync(path.join(folder, name));
  const {modelTopology, weightsManifest} = JSON.parse(read('model.json'));
  const weights = Buffer.concat(weightsManifest.flatMap((g) => g.paths).map(read));
  const model = await tf.loadGraphModel({
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest.flatMap((g) => g.weights),
      weightData: new Uint8Array(weights).buffer,
    }),
  });
  const tokenizer = new Tokenizer(JSON.parse(read('vocab.json')));

  const cases = [];
  for (const text of SENTENCES) {
    const ids = tokenizer.encode(text);
    const places = tf.tensor2d(ids.map((_, i) => [0, i]), [ids.length, 2], 'int32');
    const out = await model.executeAsync({indices: places, values: tf.tensor1d(ids, 'int32')});
    const values = (Array.isArray(out) ? out[0] : out).dataSync();
    cases.push({
      text,
      ids,
      embedding_start: Array.from(values.slice(0, NUM_VALUES), (v) => Number(v.toPrecision(7))),
    });
  }
  const note = 'made by reference.cjs beside this file with TensorFlow.js ' + tf.version.tfjs +
      '; embeddings are compared within 1e-5';
  const lines = cases.map((c) => '    ' + JSON.stringify(c)).join(',\n');
  process.stdout.write(`{\n  "note": ${JSON.stringify(note)},\n  "cases": [\n${lines}\n  ]\n}\n`);
}

main(process.argv[2]);
