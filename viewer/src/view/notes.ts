/** What is written into the lanes beside the names of calls: names of points in time,
 * how much was lost, values of counters. */
import { formatCount, formatMany } from '../base/units'
import {
  FLAG_INSTANT,
  FLAG_LOG,
  FLAG_LOSS,
  type Pieces,
  type Rects,
} from '../data/drawing'
import type { Strip } from '../model/lanes'
import { textWidth } from './canvas'
import type { Colours } from './colours'
import type { History } from './histories'
import type { Session } from './session'

const NAME_MAX = 60
const AIR = 10

/** Names of instants where there is room for them, counts of losses always. */
export function drawPointNotes(
  context: CanvasRenderingContext2D,
  session: Session,
  colours: Colours,
  strip: Strip,
  top: number,
  rects: Rects,
  width: number,
): void {
  if (strip.marksHeight === 0) return
  const ratio = window.devicePixelRatio || 1
  const points: { left: number; right: number; text: string; isLoss: boolean }[] = []
  for (let i = 0; i < rects.count && rects.row(i) === 0; i++) {
    const flags = rects.flags(i)
    const isLoss = (flags & FLAG_LOSS) !== 0
    const count = rects.countOf(i)
    let text = ''
    if (isLoss) text = lossText(count, flags)
    else if (flags & (FLAG_INSTANT | FLAG_LOG) && points.length < 400)
      text =
        count > 1
          ? `${formatCount(count)} ×`
          : session.string(rects.fn(i)).slice(0, NAME_MAX)
    points.push({
      left: rects.left(i) / ratio,
      right: rects.right(i) / ratio,
      text,
      isLoss,
    })
  }
  const y = top + strip.marksHeight / 2 + 0.5
  context.font = colours.smallFont
  let busyTo = -Infinity
  points.forEach((point, i) => {
    const x = Math.max(point.right, point.left) + AIR - 2
    const next = points[i + 1]?.left ?? width + AIR
    if (point.text === '' || x < 0 || x > width || x < busyTo) return
    const size = textWidth(context, colours.smallFont, point.text)
    if (!point.isLoss && x + size + AIR > next) return
    context.fillStyle = point.isLoss ? colours.loss : colours.muted
    context.fillText(point.text, x, y)
    busyTo = x + size + 4
  })
  context.font = colours.font
}

/** Counts above 15 are known within 12 %; a block of several things counts them all. */
export function lossText(count: number, flags: number): string {
  if (flags & (FLAG_INSTANT | FLAG_LOG)) return 'events lost'
  return `${count > 15 ? '≈ ' : ''}${formatMany(count)} lost`
}

/** The value of a counter at a place, of its points: x, low, high, last. */
export function counterAt(
  points: Float32Array,
  x: number,
): { low: number; high: number; last: number } | null {
  let at = -1
  for (let i = 0; i + 3 < points.length && points[i]! <= x + 0.5; i += 4) at = i
  if (at < 0) return null
  const isHere = x - points[at]! <= 1.5
  const last = points[at + 3]!
  return isHere
    ? { low: points[at + 1]!, high: points[at + 2]!, last }
    : { low: last, high: last, last }
}

export function plainNumber(value: number): string {
  return Number(value.toPrecision(7)).toLocaleString('en')
}

/** The piece of a history at a place; -1: the variable has no value there. */
export function pieceAt(pieces: Pieces, x: number): number {
  let low = 0
  let high = pieces.count - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    if (pieces.left(middle) > x + 1) high = middle - 1
    else low = middle + 1
  }
  return high >= 0 && x <= pieces.right(high) + 1.5 ? high : -1
}

/** The value of a piece, as people read it. */
export function pieceText(
  session: Session,
  history: History,
  pieces: Pieces,
  i: number,
): string {
  const value = pieces.value(i)
  if (value !== null) return session.histories.text(history, value)
  return plainNumber(pieces.last(i))
}

/** Values in the lane of a variable where there is room: in their boxes, or above the
 * line of numbers. */
export function drawPieceNotes(
  context: CanvasRenderingContext2D,
  session: Session,
  colours: Colours,
  lane: {
    strip: Strip
    top: number
    history: History
    pieces: Pieces
    width: number
  },
): void {
  const { strip, top, history, pieces, width } = lane
  const ratio = window.devicePixelRatio || 1
  const middle = top + (strip.height - 2) / 2
  context.font = colours.font
  for (let i = 0; i < pieces.count; i++) {
    const isNumber = pieces.value(i) === null
    const left = Math.max(pieces.left(i) / ratio, 0) + 4
    const room = Math.min(pieces.right(i) / ratio, width) - left - 4
    if (room < 16) continue
    const count = pieces.countOf(i)
    let text = pieceText(session, history, pieces, i).replace(/\s+/g, ' ')
    if (count > 1 && !isNumber) text = `×${formatCount(count)} ${text}`
    const size = textWidth(context, colours.font, text)
    if (size > room) {
      if (isNumber) continue // a number cut is another number
      text = text.slice(0, Math.floor((room / size) * text.length) - 1)
      if (text.length < 2) continue
      text += '…'
    }
    context.fillStyle = isNumber ? colours.text : colours.label
    context.fillText(text, left, middle)
  }
}
