/** The way of the exception that ended a call: raised where, through which calls, taken
 * by whom. */
import { formatDuration } from '../base/units'
import type { Call, Unwinding, Value } from '../data/protocol'
import type { Chosen, Session } from '../view/session'
import { functionButton } from './details'
import { make } from './dom'
import { valueText } from './logs'

const FRAMES_SHOWN = 40

function named(values: Value[], name: string): string {
  const value = values.find((one) => one.name === name)
  return value ? valueText(value) : ''
}

/** `raised by int at line 4 of`, as far as it was logged. */
function told(word: string, values: Value[]): string {
  const by = named(values, 'by')
  const line = named(values, 'line')
  return word + (by ? ` by ${by}` : '') + (line ? ` at line ${line} of` : ' in')
}

function frames(
  session: Session,
  chosen: Chosen,
  way: Unwinding,
  goTo: (chosen: Chosen) => void,
): HTMLElement[] {
  const { lane } = chosen
  const shown = way.frames.slice(0, FRAMES_SHOWN)
  const first = way.frames[0]!
  const items = shown.map((frame, i) => {
    const here = frame.depth === chosen.depth
    const go = () =>
      goTo({
        lane,
        depth: frame.depth,
        time: frame.end_ns - 1,
        begin: frame.begin_ns,
        end: frame.end_ns,
        fn: frame.function,
      })
    const after = frame.end_ns - first.end_ns
    const how = i === 0 ? told('raised', way.raised) : 'left'
    return make(
      'li',
      here ? { class: 'innermost', 'aria-current': 'true' } : {},
      make('span', { class: 'how' }, how),
      functionButton(session, frame.function, go),
      make('span', { class: 'since' }, i > 0 ? `+ ${formatDuration(after)}` : ''),
    )
  })
  const more = way.frames.length - shown.length + way.left_out
  if (more > 0) items.push(make('li', { class: 'quiet' }, `and ${more} calls more`))
  return items
}

function ending(
  session: Session,
  chosen: Chosen,
  way: Unwinding,
  goTo: (chosen: Chosen) => void,
): HTMLElement {
  if (way.handler < 0)
    return make(
      'li',
      {},
      make('span', { class: 'how' }, 'caught by nobody on this lane'),
    )
  const last = way.frames[way.frames.length - 1]!
  const word = way.taken === 'swallowed' ? 'swallowed' : 'caught'
  const go = () => {
    const depth = last.depth - 1 - way.left_out
    const time = last.end_ns
    goTo({ lane: chosen.lane, depth, time, begin: time, end: time, fn: way.handler })
  }
  return make(
    'li',
    { class: 'taken' },
    make('span', { class: 'how' }, told(word, way.taken_values)),
    functionButton(session, way.handler, go),
  )
}

/** Null: the call did not end by an exception. */
export function unwindingView(
  session: Session,
  chosen: Chosen,
  call: Call,
  goTo: (chosen: Chosen) => void,
): HTMLElement | null {
  if (call.ending !== 'raised' || call.end_ns === undefined) return null
  const section = make('section', { class: 'unwinding' })
  session.client
    .ask('unwind', [chosen.lane, call.depth, call.begin_ns, call.end_ns], {
      key: 'unwind',
    })
    .then(
      (way) => {
        if (!way || way.frames.length === 0) return
        const exception = way.raised.find((value) => value.name === '')
        const title = exception ? valueText(exception) : way.type || 'An exception'
        const chain = ['cause', 'context'].flatMap((name) => {
          const other = named(way.raised, name)
          return other ? [`${name}: ${other}`] : []
        })
        section.append(
          make('h3', {}, 'Exception'),
          make('p', { class: 'lead' }, make('code', {}, title)),
          ...chain.map((text) => make('p', { class: 'quiet lead' }, text)),
          make(
            'ol',
            { class: 'stack', 'aria-label': 'the way of the exception' },
            ...frames(session, chosen, way, goTo),
            ending(session, chosen, way, goTo),
          ),
        )
      },
      () => undefined,
    )
  return section
}
