/** Units, and how a person reads them. Pure. */

declare const unit: unique symbol
/** Since the trace's origin; whole, exact to 104 days. */
export type Nanos = number & { readonly [unit]?: 'ns' }
/** CSS pixels. */
export type Pixels = number & { readonly [unit]?: 'px' }

const STEPS: readonly [number, string][] = [
  [3600e9, 'h'],
  [60e9, 'min'],
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
]

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, '')
}

/** A duration with three to four digits: `1.25 ms`, `12 min 3 s`. */
export function formatDuration(ns: Nanos): string {
  if (!Number.isFinite(ns)) return '–'
  if (ns < 0) return '−' + formatDuration(-ns)
  if (ns >= 3600e9) {
    const minutes = Math.floor(ns / 60e9)
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  }
  if (ns >= 59.95e9 && ns < 3600e9) {
    const tenths = Math.round(ns / 1e8)
    if (tenths >= 36000) return '1 h 0 min'
    return `${Math.floor(tenths / 600)} min ${trimmed((tenths % 600) / 10, 1)} s`
  }
  for (const [size, name] of STEPS) {
    if (ns >= size || size === 1) {
      const value = ns / size
      const digits = size === 1 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : 3
      return `${trimmedIfDot(value, digits)} ${name}`
    }
  }
  return '0 ns'
}

function trimmedIfDot(value: number, digits: number): string {
  return digits === 0 ? String(Math.round(value)) : trimmed(value, digits)
}

/** `10us`, `1.5 ms`, `2s`; a bare number is milliseconds. null: not understood. */
export function parseDuration(text: string): Nanos | null {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ns|us|µs|μs|ms|s|min|h)?\s*$/.exec(text)
  if (!match) return null
  const name = (match[2] ?? 'ms').replace(/^[uμ]s/, 'µs')
  const size = STEPS.find(([, one]) => one === name)?.[0] ?? 1
  return Math.round(Number(match[1]) * size)
}

/** A moment, with as many digits as `stepNs` needs to tell neighbours apart. */
export function formatMoment(ns: Nanos, stepNs: Nanos): string {
  const sign = ns < 0 ? '−' : ''
  const at = Math.abs(ns)
  const [size, name] =
    STEPS.find(([s]) => s <= 1e9 && (at >= s || stepNs >= s)) ?? STEPS[5]!
  const useful = at >= 60e9 && stepNs >= 1e9
  if (useful) {
    const seconds = Math.round(at / 1e9)
    const h = Math.floor(seconds / 3600)
    const m = Math.floor(seconds / 60) % 60
    const s = String(seconds % 60).padStart(2, '0')
    return h ? `${sign}${h}:${String(m).padStart(2, '0')}:${s}` : `${sign}${m}:${s}`
  }
  const digits = Math.max(0, Math.min(9, Math.ceil(Math.log10(size / stepNs) - 1e-9)))
  return `${sign}${(at / size).toFixed(digits)} ${name}`
}

/** The round step (1, 2, 5 times a power of ten) not below `least`. */
export function niceStep(least: Nanos): Nanos {
  if (least <= 1) return 1
  const minutes = [60e9, 120e9, 300e9, 600e9, 1800e9, 3600e9, 7200e9, 21600e9, 86400e9]
  if (least > 20e9)
    return minutes.find((m) => m >= least) ?? Math.ceil(least / 86400e9) * 86400e9
  const power = 10 ** Math.floor(Math.log10(least))
  for (const factor of [1, 2, 5, 10])
    if (power * factor >= least * 0.999999) return power * factor
  return power * 10
}

/** 1234567 as `1,234,567`. */
export function formatCount(count: number): string {
  return Math.round(count)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** 86 270 000 as `86.3 M`. */
export function formatMany(count: number): string {
  if (count < 10000) return formatCount(count)
  if (count < 1e6) return `${trimmed(count / 1e3, 1)} k`
  if (count < 1e9) return `${trimmed(count / 1e6, 1)} M`
  return `${trimmed(count / 1e9, 2)} G`
}

/** `1 call`, `2.5 k calls`. */
export function plural(count: number, noun: string): string {
  return `${formatMany(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** A part of a whole, 0 to 1, as `37 %`; never 0 or 100 where it is not quite. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.01) return '< 1 %'
  if (share < 1 && share > 0.99) return '> 99 %'
  return `${(100 * share).toFixed(0)} %`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${trimmed(bytes / 1024, 1)} KiB`
  if (bytes < 1024 ** 3) return `${trimmed(bytes / 1024 ** 2, 1)} MiB`
  return `${trimmed(bytes / 1024 ** 3, 2)} GiB`
}

export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value
}
