/** What the page asks of the worker, and what it gets. */
import type { Tree } from '../model/flame'
import type { TraceInfo } from '../model/trace'
import type { VariableInfo } from '../model/variables'

/** Where the bytes of the trace are. */
export type Source =
  | { kind: 'url'; url: string; size: number }
  | { kind: 'bytes'; parts: Uint8Array[] }
  | { kind: 'file'; file: File }

export interface Selection {
  from: number // negative: from the start
  to: number // negative: to the end
  lanes: Uint8Array | null // a byte per lane
}

export type Total = [
  fn: number,
  calls: number,
  total: number,
  self: number,
  min: number,
  max: number,
  p50: number,
  p90: number,
  p99: number,
  raised: number,
  open: number,
  correctedTotal: number,
  correctedSelf: number,
]
export type Edge = [
  fn: number,
  other: number,
  calls: number,
  total: number,
  self: number,
]

export interface Totals {
  rows: Total[]
  edges: Edge[]
  lost: number
}

export interface Frame {
  depth: number
  function: number
  begin_ns: number
  /** Where it was called from: a line, 0 unknown, of a function, recorded or not. */
  line: number
  caller: number
}

export interface Call {
  function: number
  depth: number
  begin_ns: number
  line: number
  caller: number
  whole: boolean
  arguments: number
  ending?: string
  exception?: number
  end_ns?: number
  self_ns?: number
  running_ns?: number
  descendants?: number
  result?: number
  children: [fn: number, calls: number, total: number][]
  parents: Frame[]
}

export interface Calls {
  count: number
  histogram: number[]
  slowest: [
    begin: number,
    duration: number,
    lane: number,
    depth: number,
    ending: number,
  ][]
}

export interface EventFound {
  time_ns: number
  lane: number
  depth: number
  function: number
  is_begin: boolean
}

export interface Transaction {
  id: string
  name: string
  lane: number
  begin_ns: number
  duration_ns: number
  own_ns: number
  calls_ns: number
  c_ns: number
  children_ns: number
  waiting_ns: number
  ended: string
  exception?: string
  attributes: [name: string, text: string, tag: number][]
}

export interface TransactionRow {
  name: string
  group?: string | null
  count: number
  errors: number
  cancelled: number
  cut: number
  open: number
  total_ns: number
  min_ns: number
  mean_ns: number
  max_ns: number
  p50_ns: number
  p90_ns: number
  p99_ns: number
  own_ns: number
  calls_ns: number
  c_ns: number
  children_ns: number
  waiting_ns: number
  histogram: [from: number, count: number][]
  slowest: Transaction[]
}

export interface Value {
  name: string
  tag: number
  text?: string
  integer?: number
  number?: number
}

/** Something that was logged: an instant, a counter, a value, a record. */
export interface Log {
  time_ns: number
  lane: number
  depth: number
  function: number
  kind: string
  name: string
  /** Of a counter. */
  value?: number
  values?: { name: string; tag: number; text: string }[]
}

export interface Logs {
  logs: Log[]
  more: boolean
}

/** The way of an exception: the calls it left, innermost first, and who took it. */
export interface Unwinding {
  type: string
  frames: { function: number; depth: number; begin_ns: number; end_ns: number }[]
  left_out: number
  raised: Value[]
  handler: number
  taken: string
  taken_values: Value[]
}

export const EVENT_BEGINS = 1
export const EVENT_ENDS = 2
export const EVENT_ANY = 3
export const EVENT_POINTS = 4
export const EVENT_LINES = 8 // lines that were logged

/** A call that is open at a moment, to look for what happened in it before. */
export interface Inside {
  begin_ns: number
  depth: number
  steps: number // how many are looked at, at most
}

/** Every request: its arguments and its reply. */
export interface Requests {
  open: { args: [wasm: ArrayBuffer, source: Source]; reply: null }
  info: { args: []; reply: TraceInfo }
  index: { args: []; reply: Uint8Array }
  sums: { args: [sums: Uint8Array]; reply: null }
  filter: {
    args: [functions: Uint8Array | null, depth: number, shortest: number]
    reply: null
  }
  tile: {
    args: [lane: number, from: number, to: number, resolution: number]
    reply: Uint8Array
  }
  strings: { args: [indices: number[]]; reply: string[] }
  totals: { args: [Selection]; reply: Totals }
  tree: { args: [Selection]; reply: Tree }
  stack: { args: [lane: number, time: number]; reply: Frame[] }
  call: {
    args: [lane: number, depth: number, time: number, endHint: number]
    reply: Call | null
  }
  unwind: {
    args: [lane: number, depth: number, begin: number, end: number]
    reply: Unwinding | null
  }
  calls: { args: [fn: number, Selection, limit: number]; reply: Calls }
  transactions: {
    args: [Selection, group: string, slowest: number]
    reply: { transactions: TransactionRow[]; lost: number }
  }
  event: {
    args: [
      lane: number,
      time: number,
      back: boolean,
      kinds: number, // EVENT_BEGINS and so on, added up
      functions: Uint8Array | null,
      value?: string, // a pattern, or NAME=PATTERN
      inside?: Inside,
    ]
    reply: EventFound | null
  }
  /** Name and value are patterns; empty: all. */
  logs: {
    args: [Selection, name: string, value: string, limit: number]
    reply: Logs
  }
  /** The variables of which something was logged, and the history of one as a block. */
  variables: { args: []; reply: { variables: VariableInfo[]; more: boolean } }
  history: { args: [lane: number, fn: number, name: string]; reply: Uint8Array }
  values: { args: [lane: number, blob: number]; reply: Value[] }
  source: { args: [fn: number]; reply: string | null }
}
export type Verb = keyof Requests

export interface Ask {
  id: number
  verb: Verb
  args: unknown[]
}
export type Told =
  | { id: number; value: unknown }
  | { id: number; error: string }
  | { id: number; share: number }
