/** Strips of the time line, from top to bottom: processes, lanes, counters. Pure. */
import { laneName, processName, type TraceInfo } from './trace'
import type { Variable } from './variables'

export type Fold = 'all' | 'some' | 'thin'

export interface LaneState {
  readonly lane: number
  readonly name: string
  readonly rows: number // calls; the marks' row not counted
  readonly hasMarks: boolean
  readonly some: number // rows shown of it while it is folded to some
  fold: Fold
  isHidden: boolean
  isPinned: boolean
}

export interface Series {
  readonly series: number
  readonly lane: number
  readonly string: number
  readonly low: number
  readonly high: number
}

export interface Strip {
  readonly kind: 'process' | 'lane' | 'counter' | 'history'
  readonly top: number
  readonly height: number
  readonly process?: number
  readonly state?: LaneState
  readonly rowHeight: number
  readonly rowsShown: number
  readonly marksHeight: number
  readonly series?: Series
  readonly variable?: Variable
}

export const ROW_HEIGHT = 18
export const ROW_HEIGHT_LARGE = 23 // where the letters are larger
export const THIN_ROW = 3
export const THIN_ROWS_MAX = 6
const SOME_LEAST = 10
const SOME_USUAL = 24
const SOME_MOST = 60
const SOME_SLACK = 4 // rows more are not worth a fold
const LANES_UNFOLDED = 60
const PROCESS_HEIGHT = 26
const COUNTER_HEIGHT = 44
const HISTORY_HEIGHT = 40
const MARKS_HEIGHT = 13
const LANE_GAP = 8

/** What a lane is folded to when it is opened. */
export function unfolded(state: LaneState): Fold {
  return state.rows > state.some + SOME_SLACK ? 'some' : 'all'
}

/** Lanes in the order in which they are shown at first: main threads first. Deep ones
 * leave room for others, so that `rowsSeen` rows of the screen show three of them. */
export function laneStates(
  info: TraceInfo,
  rows: (lane: number) => number,
  rowsSeen = 3 * SOME_USUAL,
): LaneState[] {
  const order = info.lanes.map((_, index) => index)
  order.sort((a, b) => {
    const x = info.lanes[a]!
    const y = info.lanes[b]!
    return (
      x.process - y.process ||
      Number(y.is_main) - Number(x.is_main) ||
      x.start_ns - y.start_ns ||
      a - b
    )
  })
  const busy = order.filter((lane) => rows(lane) > 0)
  return busy.map((lane) => {
    const share = Math.floor(rowsSeen / Math.min(busy.length, 3))
    const state: LaneState = {
      lane,
      name: laneName(info.lanes[lane]!),
      rows: Math.max(rows(lane) - 1, 0),
      hasMarks: true,
      some: Math.min(Math.max(share, SOME_LEAST), SOME_MOST),
      fold: 'thin',
      isHidden: false,
      isPinned: false,
    }
    if (busy.length <= LANES_UNFOLDED) state.fold = unfolded(state)
    return state
  })
}

function laneStrip(state: LaneState, top: number, fullRow: number): Strip {
  const rowHeight = state.fold === 'thin' ? THIN_ROW : fullRow
  const most = { thin: THIN_ROWS_MAX, some: state.some, all: Infinity }[state.fold]
  const rowsShown = Math.max(Math.min(state.rows, most), 1)
  const marksHeight = state.fold === 'thin' ? 0 : MARKS_HEIGHT
  const least = state.fold === 'thin' ? 18 : 22
  const height = Math.max(rowsShown * rowHeight + marksHeight, least) + LANE_GAP
  return { kind: 'lane', top, height, state, rowHeight, rowsShown, marksHeight }
}

export function layout(
  info: TraceInfo,
  states: LaneState[],
  series: Series[],
  rowHeight: number = ROW_HEIGHT,
  variables: readonly Variable[] = [],
): Strip[] {
  const strips: Strip[] = []
  let top = 0
  let process = -1
  const add = (strip: Strip) => {
    strips.push(strip)
    top += strip.height
  }
  const addLane = (state: LaneState) => {
    add(laneStrip(state, top, rowHeight))
    for (const one of series)
      if (one.lane === state.lane)
        add({
          kind: 'counter',
          top,
          height: COUNTER_HEIGHT,
          series: one,
          state,
          rowHeight: 0,
          rowsShown: 0,
          marksHeight: 0,
        })
    for (const variable of variables)
      if (variable.lane === state.lane)
        add({
          kind: 'history',
          top,
          height: HISTORY_HEIGHT,
          variable,
          state,
          rowHeight: 0,
          rowsShown: 0,
          marksHeight: 0,
        })
  }
  for (const state of states) if (state.isPinned && !state.isHidden) addLane(state)
  for (const state of states) {
    if (state.isPinned || state.isHidden) continue
    const owner = info.lanes[state.lane]!.process
    if (owner !== process && info.processes.length > 1)
      add({
        kind: 'process',
        top,
        height: PROCESS_HEIGHT,
        process: owner,
        rowHeight: 0,
        rowsShown: 0,
        marksHeight: 0,
      })
    process = owner
    addLane(state)
  }
  return strips
}

/** The strip at a height; undefined below the last. */
export function stripAt(strips: Strip[], y: number): Strip | undefined {
  let low = 0
  let high = strips.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const strip = strips[middle]!
    if (y < strip.top) high = middle - 1
    else if (y >= strip.top + strip.height) low = middle + 1
    else return strip
  }
  return undefined
}

export function processTitle(info: TraceInfo, index: number): string {
  const process = info.processes[index]
  if (!process) return 'process ?'
  const status =
    process.exit_status !== undefined
      ? `, exit ${process.exit_status}`
      : process.ended
        ? ''
        : ', end not seen'
  return `${processName(process)}  ·  pid ${process.pid}${status}`
}
