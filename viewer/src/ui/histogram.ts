/** Durations by powers of two, as bars; the chosen one marked. */
import { formatCount, formatDuration } from '../base/units'
import { make } from './dom'

export function histogramView(histogram: readonly number[], mark: number): HTMLElement {
  const used = histogram
    .map((count, i) => ({ count, i }))
    .filter((one) => one.count > 0)
  const first = used[0]?.i ?? 0
  const last = used[used.length - 1]?.i ?? 0
  const most = Math.max(...histogram, 1)
  const marked = mark > 0 ? Math.floor(Math.log2(mark)) : -1
  const bars = make('div', {
    class: 'histogram',
    role: 'img',
    'aria-label': 'distribution of durations',
  })
  for (let i = first; i <= last; i++) {
    const count = histogram[i] ?? 0
    const bar = make('div', {
      class: i === marked ? 'column here' : 'column',
      title:
        `${formatDuration(2 ** i)} to ${formatDuration(2 ** (i + 1))}: ` +
        `${formatCount(count)} calls`,
    })
    const fill = make('span')
    fill.style.height =
      count === 0
        ? '0'
        : `${Math.max((100 * Math.log1p(count)) / Math.log1p(most), 4)}%`
    bar.append(fill)
    bars.append(bar)
  }
  const figure = make(
    'figure',
    { class: 'histogram-figure' },
    bars,
    make(
      'figcaption',
      {},
      make('span', {}, formatDuration(2 ** first)),
      make('span', {}, formatDuration(2 ** (last + 1))),
    ),
  )
  // Wide enough for both ends' names, also of one column.
  figure.style.maxWidth = `${Math.max((last - first + 1) * 28, 150)}px`
  return figure
}
