// The wasm core of a page, in node: node core.mjs PAGE.html TRACE OUT-FOLDER
// Writes what the core answers, for comparison with the native one.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

const [page, path, out] = process.argv.slice(2)
const packed = /id="marey-wasm">([^<]+)</.exec(readFileSync(page, 'utf8'))[1]
const trace = readFileSync(path)
let memory
const host = {
  read(offset, to, size) {
    if (offset < 0 || offset + size > trace.length) return 0
    new Uint8Array(memory.buffer, to >>> 0, size).set(
      trace.subarray(offset, offset + size),
    )
    return 1
  },
  tick: () => 1,
}
const { instance } = await WebAssembly.instantiate(
  gunzipSync(Buffer.from(packed, 'base64')),
  { host },
)
const core = instance.exports
memory = core.memory

function answer() {
  return Buffer.from(memory.buffer, core.answer_at() >>> 0, core.answer_size() >>> 0)
}
const failure = () => {
  const bytes = new Uint8Array(memory.buffer, core.failure_at() >>> 0)
  return Buffer.from(bytes.slice(0, bytes.indexOf(0))).toString()
}
const results = { open: core.trace_open(trace.length) }
if (results.open === 0) {
  for (const name of ['trace_info', 'trace_index']) {
    results[name] = core[name]()
    if (results[name] === 0) writeFileSync(join(out, name), answer())
  }
  results.totals = core.trace_totals(-1, -1, 0)
  if (results.totals === 0) results.rows = JSON.parse(answer().toString()).rows
  results.tree = core.trace_tree(-1, -1, 0)
  results.sources = []
  for (let fn = 0; fn < 4; fn++)
    if (core.trace_source(fn) === 0)
      results.sources.push(JSON.parse(answer().toString()))
} else results.failure = failure()
results.memory = memory.buffer.byteLength
console.log(JSON.stringify(results))
