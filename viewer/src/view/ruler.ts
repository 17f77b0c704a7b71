/** The ruler above the lanes: round moments, marks, the selected area. */
import { formatDuration, formatMoment, niceStep } from '../base/units'
import { toNanos, toPixels } from '../model/window'
import { fitCanvas } from './canvas'
import type { Session } from './session'
import type { Colours } from './colours'

const LABEL_EVERY = 110

export function drawRuler(
  canvas: HTMLCanvasElement,
  session: Session,
  colours: Colours,
): void {
  const context = fitCanvas(canvas)
  const width = canvas.clientWidth
  const height = canvas.clientHeight
  const { span } = session
  const step = niceStep(((span.to - span.from) / width) * LABEL_EVERY)
  context.clearRect(0, 0, width, height)
  context.font = colours.font
  context.textBaseline = 'middle'
  if (session.area) {
    const left = toPixels(span, width, session.area.from)
    const right = toPixels(span, width, session.area.to)
    context.fillStyle = colours.areaStrong
    context.fillRect(left, 0, right - left, height)
  }
  const cursor = cursorNote(context, session, width)
  const distance = distanceNote(context, session, width)
  const covered = coveredParts(session, width, [cursor, distance])
  const first = Math.ceil(toNanos(span, width, -60) / step)
  for (let i = first; i * step < span.to; i++) {
    const x = Math.round(toPixels(span, width, i * step)) + 0.5
    context.strokeStyle = colours.line
    context.beginPath()
    context.moveTo(x, height - 8)
    context.lineTo(x, height)
    for (let k = 1; k < 5; k++) {
      const minor = Math.round(toPixels(span, width, (i + k / 5) * step)) + 0.5
      context.moveTo(minor, height - 4)
      context.lineTo(minor, height)
    }
    context.stroke()
    const text = formatMoment(i * step, step)
    const end = x + 4 + context.measureText(text).width
    if (covered.some(([from, to]) => x + 4 < to && end > from)) continue
    context.fillStyle = colours.muted
    context.fillText(text, x + 4, height / 2 - 1)
  }
  drawMarks(context, session, colours, width, height)
  if (cursor) drawCursor(context, cursor, colours, height)
  if (distance) drawDistance(context, distance, colours, height)
}

/** A text on the ruler that stands above all others. */
interface Note {
  text: string
  left: number
  size: number
}

function drawMarks(
  context: CanvasRenderingContext2D,
  session: Session,
  colours: Colours,
  width: number,
  height: number,
): void {
  const moments = session.marks.map((time, i) => ({
    time,
    name: String(i + 1),
    colour: colours.mark,
  }))
  if (session.playhead !== null)
    moments.push({ time: session.playhead, name: '▶', colour: colours.playhead })
  for (const { time, name, colour } of moments) {
    const x = toPixels(session.span, width, time)
    if (x < -20 || x > width + 20) continue
    context.fillStyle = colour
    context.beginPath()
    context.roundRect(x - 8, 1, 16, height - 8, 4)
    context.moveTo(x - 4, height - 7)
    context.lineTo(x + 4, height - 7)
    context.lineTo(x, height)
    context.fill()
    context.fillStyle = colours.onAccent
    context.textAlign = 'center'
    context.fillText(name, x, height / 2 - 3)
    context.textAlign = 'left'
  }
}

/** The moment under the pointer, with the distance from the nearest mark, and where its
 * text stands; null: the pointer is elsewhere. */
function cursorNote(
  context: CanvasRenderingContext2D,
  session: Session,
  width: number,
): Note | null {
  const { cursor, span } = session
  if (cursor === null) return null
  let text = formatMoment(cursor, (span.to - span.from) / width)
  const from = [
    ...session.marks,
    ...(session.playhead === null ? [] : [session.playhead]),
  ]
    .map((time) => cursor - time)
    .sort((a, b) => Math.abs(a) - Math.abs(b))[0]
  if (from !== undefined)
    text += `  ${from < 0 ? '−' : '+'}${formatDuration(Math.abs(from))}`
  const size = context.measureText(text).width
  const x = toPixels(span, width, cursor)
  return { text, left: Math.min(Math.max(x - size / 2, 6), width - size - 6), size }
}

function drawCursor(
  context: CanvasRenderingContext2D,
  { text, left, size }: Note,
  colours: Colours,
  height: number,
): void {
  context.fillStyle = colours.raised
  context.strokeStyle = colours.cursor
  context.beginPath()
  context.roundRect(left - 6, 2.5, size + 12, height - 7, 6)
  context.fill()
  context.stroke()
  context.fillStyle = colours.text
  context.fillText(text, left, height / 2 - 1)
}

/** Where no name of a moment is to stand, from and to in pixels: beyond the edges and
 * behind flags. One that is only partly seen tells another number. */
function coveredParts(
  session: Session,
  width: number,
  notes: (Note | null)[],
): [number, number][] {
  const { playhead, span } = session
  const flags = [...session.marks, ...(playhead === null ? [] : [playhead])]
  const parts: [number, number][] = [
    [-Infinity, 0],
    [width, Infinity],
  ]
  for (const time of flags) {
    const x = toPixels(span, width, time)
    parts.push([x - 8, x + 8])
  }
  for (const note of notes)
    if (note) parts.push([note.left - 7, note.left + note.size + 7])
  return parts
}

/** How long the area is, where that fits into it. */
function distanceNote(
  context: CanvasRenderingContext2D,
  session: Session,
  width: number,
): Note | null {
  const { area, span } = session
  if (!area) return null
  const left = Math.max(toPixels(span, width, area.from), 0)
  const right = Math.min(toPixels(span, width, area.to), width)
  const text = formatDuration(area.to - area.from)
  const size = context.measureText(text).width
  if (right - left < size + 16) return null
  return { text, left: (left + right - size) / 2, size }
}

function drawDistance(
  context: CanvasRenderingContext2D,
  { text, left, size }: Note,
  colours: Colours,
  height: number,
): void {
  context.fillStyle = colours.accent
  context.beginPath()
  context.roundRect(left - 7, 3, size + 14, height - 8, 6)
  context.fill()
  context.fillStyle = colours.onAccent
  context.fillText(text, left, height / 2 - 1)
}
