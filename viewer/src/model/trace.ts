/** What the page knows of a trace before it draws: names, places, lanes. Pure. */

export interface ProcessInfo {
  serial: number
  parent: number
  pid: number
  start_ns: number
  end_ns: number
  ended: boolean
  exit_status?: number
  program: string
  executable: string
  version: string
  directory: string
  arguments: string[]
}

export interface LaneInfo {
  serial: number
  process: number
  kind: number
  is_main: boolean
  native_id: number
  start_ns: number
  end_ns: number
  name: string
  events: number
  lost: number
}

export interface FunctionColumns {
  name: string[]
  module: string[]
  file: string[]
  line: number[]
  flags: number[]
}

/** A function that --max-overhead stopped recording. */
export interface LeftOut {
  function: number
  since_ns: number
  calls_counted: number
  calls_estimated: number
  is_whole: boolean
}

export interface TraceInfo {
  host: string
  start_realtime_ns: number
  duration_ns: number
  size_bytes: number
  events: number
  lost: number
  damaged: number
  skipped_bytes: number
  cost_python_ps: number
  cost_c_ps: number
  left_out?: LeftOut[] // what an earlier Marey stored beside a trace has none
  processes: ProcessInfo[]
  lanes: LaneInfo[]
  functions: FunctionColumns
}

export const FUNCTION_C = 1
export const FUNCTION_GENERATOR = 2
export const FUNCTION_SPAN = 16
export const FUNCTION_TRANSACTION = 32

const LABEL_MAX = 300

export function functionName(info: TraceInfo, index: number): string {
  return info.functions.name[index] ?? '?'
}

/** The name as it stands on the time line: short, never a megabyte. */
export function functionLabel(info: TraceInfo, index: number): string {
  let name = functionName(info, index).replace(/<locals>\./g, '')
  if (name === '') return '(no name)'
  if (name === '<module>') name = `${info.functions.module[index] ?? ''} (module)`
  return name.length > LABEL_MAX ? name.slice(0, LABEL_MAX) + '…' : name
}

export function functionFull(info: TraceInfo, index: number): string {
  const module = info.functions.module[index]
  const name = functionName(info, index)
  return module ? `${module}:${name}` : name
}

export function functionPlace(info: TraceInfo, index: number): string {
  const file = info.functions.file[index]
  const line = info.functions.line[index]
  if (!file)
    return (info.functions.flags[index] ?? 0) & FUNCTION_C ? 'written in C' : ''
  return line ? `${file}:${line}` : file
}

/** A path as it was typed, where it lies below the directory of the program. */
export function pathFromProgram(info: TraceInfo, path: string): string {
  const start = `${info.processes[0]?.directory ?? ''}/`
  return start !== '/' && path.startsWith(start) ? path.slice(start.length) : path
}

/** The last two parts of a path. */
export function shortPath(path: string): string {
  const parts = path.split('/')
  return parts.length > 2 ? parts.slice(-2).join('/') : path
}

export function isLibrary(info: TraceInfo, index: number): boolean {
  const flags = info.functions.flags[index] ?? 0
  const file = info.functions.file[index] ?? ''
  if (flags & FUNCTION_SPAN) return false
  if (flags & FUNCTION_C || file === '' || file.startsWith('<')) return true
  return /\/(site|dist)-packages\/|\/lib\/python3/.test(file)
}

/** C functions and what is frozen into the interpreter have no text to show. */
export function mayHaveText(info: TraceInfo, index: number): boolean {
  const file = info.functions.file[index] ?? ''
  return file !== '' && !file.startsWith('<frozen ')
}

export function hasTransactions(info: TraceInfo): boolean {
  return info.functions.flags.some((flags) => flags & FUNCTION_TRANSACTION)
}

const KINDS = ['', 'thread', 'task', 'greenlet']

export function laneName(lane: LaneInfo): string {
  if (lane.name) return lane.name
  return `${KINDS[lane.kind] ?? 'lane'} ${lane.native_id || lane.serial}`
}

export function processName(process: ProcessInfo): string {
  return process.program || process.arguments[0] || `process ${process.pid}`
}
