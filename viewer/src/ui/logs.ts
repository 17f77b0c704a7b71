/** What was logged, as the panel of a call shows it. */
import type { Call, Log, Value } from '../data/protocol'
import type { Chosen, Session } from '../view/session'
import { make } from './dom'

const EVENTS_MAX = 4e6 // of a call; more would keep the reader busy
const LOGS_READ = 2000 // of a call and all it called
const LOGS_SHOWN = 50

export function valueText(value: Value): string {
  if (value.integer !== undefined) return String(value.integer)
  if (value.number !== undefined) return String(value.number)
  return value.tag === 6 ? JSON.stringify(value.text ?? '') : (value.text ?? '')
}

function logText(log: Log): string {
  if (log.value !== undefined) return String(log.value)
  const parts = (log.values ?? []).map((value) => {
    if (value.name) return `${value.name}=${valueText(value)}`
    return log.kind === 'line' ? `line ${valueText(value)}` : valueText(value)
  })
  return parts.join(', ')
}

const KEPT = ['value', 'attribute']

/** The name of a log; of a variable it leads to the lane of its values. */
function names(session: Session, log: Log): (HTMLElement | string)[] {
  const type = log.values?.find((value) => value.name === 'of')?.text ?? ''
  const isAttribute = log.kind === 'attribute'
  if (!KEPT.includes(log.kind)) return [log.name]
  const variable = {
    lane: log.lane,
    fn: isAttribute ? -1 : log.function,
    name: isAttribute ? `${type}.${log.name}` : log.name,
  }
  return [
    make(
      'button',
      {
        type: 'button',
        class: 'link go',
        title: 'show its values as a lane',
        onclick: () => session.histories.add(variable),
      },
      log.name,
    ),
  ]
}

/** What was logged in the call itself, not in those it made. */
export function callLogs(
  session: Session,
  chosen: Chosen,
  call: Call,
): HTMLElement | null {
  if ((call.descendants ?? 0) > EVENTS_MAX) return null
  const list = make('dl', { class: 'facts values' })
  const section = make('section', {}, make('h3', {}, 'Logged in it'), list)
  section.hidden = true
  const lanes = session.laneTable([chosen.lane])
  const selection = { from: chosen.begin, to: chosen.end + 1, lanes }
  session.client.ask('logs', [selection, '', '', LOGS_READ], { key: 'logs' }).then(
    ({ logs }) => {
      const own = logs.filter((log) => log.depth === call.depth + 1)
      for (const log of own.slice(0, LOGS_SHOWN))
        list.append(
          make('dt', { title: log.kind }, ...names(session, log)),
          make('dd', {}, make('code', {}, logText(log))),
        )
      section.hidden = own.length === 0
    },
    () => section.remove(),
  )
  return section
}
