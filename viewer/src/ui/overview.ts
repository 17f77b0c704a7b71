/** The recording in a few lines: what stands in the panel while nothing is chosen. */
import { formatBytes, formatCount, formatDuration } from '../base/units'
import { functionLabel } from '../model/trace'
import type { Session } from '../view/session'
import { make } from './dom'

export function overview(session: Session): HTMLElement {
  const { info } = session
  const list = make('dl', { class: 'facts' })
  const put = (name: string, value: string) =>
    list.append(make('dt', {}, name), make('dd', {}, value))
  const main = info.processes[0]
  if (main) {
    put(
      'Program',
      main.arguments.length ? main.arguments.join(' ').slice(0, 300) : main.program,
    )
    put('Python', main.version.split('\n')[0] ?? '')
    put('Directory', main.directory)
  }
  put('Recorded', new Date(info.start_realtime_ns / 1e6).toLocaleString())
  put('Host', info.host)
  put('Duration', formatDuration(info.duration_ns))
  put(
    'Events',
    formatCount(info.events) +
      (info.lost ? `, ${formatCount(info.lost)} lost` : ', none lost'),
  )
  put(
    'Lanes',
    `${formatCount(info.lanes.length)} in ${formatCount(info.processes.length)} ` +
      (info.processes.length === 1 ? 'process' : 'processes'),
  )
  put('Size', formatBytes(info.size_bytes))
  const left = info.left_out ?? []
  if (left.length > 0)
    put(
      'Left out',
      `${formatCount(left.length)} ${left.length === 1 ? 'function' : 'functions'} ` +
        'to save time, first ' +
        left
          .slice(0, 3)
          .map((one) => functionLabel(info, one.function))
          .join(', '),
    )
  if (info.damaged)
    put(
      'Damaged',
      `${formatCount(info.damaged)} chunks could not be read and were left out`,
    )
  return list
}
