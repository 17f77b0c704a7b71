/** The window of time that is shown. Pure. */
import { clamp, type Nanos, type Pixels } from '../base/units'

export interface Span {
  readonly from: Nanos
  readonly to: Nanos
}

export const SPAN_LEAST: Nanos = 20

/** The nearest span that a view may show of a trace: some air around it at most. */
export function bounded(span: Span, whole: Span): Span {
  const most = Math.max((whole.to - whole.from) * 1.04, SPAN_LEAST * 5)
  const length = clamp(span.to - span.from, SPAN_LEAST, most)
  const air = Math.max(length * 0.02, 1)
  const middle = clamp(
    (span.from + span.to) / 2,
    Math.min(whole.from - air + length / 2, (whole.from + whole.to) / 2),
    Math.max(whole.to + air - length / 2, (whole.from + whole.to) / 2),
  )
  return { from: middle - length / 2, to: middle + length / 2 }
}

export function zoomed(span: Span, factor: number, anchor: Nanos): Span {
  return {
    from: anchor - (anchor - span.from) * factor,
    to: anchor + (span.to - anchor) * factor,
  }
}

export function panned(span: Span, by: Nanos): Span {
  return { from: span.from + by, to: span.to + by }
}

/** `inner` in the middle, taking `share` of the width. */
export function framed(inner: Span, share: number): Span {
  const length = Math.max(inner.to - inner.from, 1) / share
  const middle = (inner.from + inner.to) / 2
  return { from: middle - length / 2, to: middle + length / 2 }
}

/** A step of an animation that runs to `target`; `target` itself when it is near. */
export function approached(span: Span, target: Span, share: number): Span {
  const near = (target.to - target.from) * 0.001
  const from = span.from + (target.from - span.from) * share
  const to = span.to + (target.to - span.to) * share
  if (Math.abs(from - target.from) < near && Math.abs(to - target.to) < near)
    return target
  return { from, to }
}

export function toPixels(span: Span, width: Pixels, at: Nanos): Pixels {
  return ((at - span.from) / (span.to - span.from)) * width
}

export function toNanos(span: Span, width: Pixels, x: Pixels): Nanos {
  return span.from + (x / width) * (span.to - span.from)
}

/** Tiles: windows of 2^level ns; a view needs those whose grain is below its pixel. */
export const TILE_RESOLUTION = 4096
const TILE_LEVEL_LEAST = 15

export function tileLevel(span: Span, width: number): number {
  const pixel = (span.to - span.from) / width
  const level = Math.floor(Math.log2(Math.max(pixel, 0.001) * TILE_RESOLUTION))
  return Math.max(level, TILE_LEVEL_LEAST)
}

export function tilesOf(span: Span, level: number): number[] {
  const size = 2 ** level
  const first = Math.max(0, Math.floor(span.from / size))
  const last = Math.floor(span.to / size)
  const found: number[] = []
  for (let at = first; at <= last && found.length < 8; at++) found.push(at)
  return found
}
