/** The chosen call: when, how long, how it ended, who called it, what it called. */
import { Dropped } from '../data/client'
import { EVENT_BEGINS, type Call, type Selection } from '../data/protocol'
import { formatCount, formatDuration, formatMoment, formatShare } from '../base/units'
import {
  functionFull,
  functionLabel,
  functionPlace,
  laneName,
  mayHaveText,
  shortPath,
} from '../model/trace'
import { framed } from '../model/window'
import { announce, make, replace } from './dom'
import { histogramView } from './histogram'
import { callLogs, valueText } from './logs'
import { overview } from './overview'
import type { Chosen, Session } from '../view/session'
import type { SourceView } from './source'
import { unwindingView } from './unwinding'

const ENDINGS: Record<string, string> = {
  returned: 'returned',
  raised: 'raised',
  cut: 'cut short: its end was not seen',
  open: 'still open when the recording ended',
  suspended: 'suspended (it goes on later)',
}

const ALL: Selection = { from: -1, to: -1, lanes: null } // the whole recording

export class Details {
  private call: Call | null = null
  private of: Chosen | null = null

  constructor(
    private readonly box: HTMLElement,
    private readonly aside: HTMLElement,
    private readonly session: Session,
    private readonly source: SourceView,
    private readonly goTo: (chosen: Chosen) => void,
  ) {
    source.onCall = (fn) => void this.goInside(fn)
    session.on('chosen', () => void this.load())
    session.on('data', () => {
      if (!this.call) void this.load()
    })
    void this.load()
  }

  private async load(): Promise<void> {
    const { session } = this
    const chosen = session.chosen
    this.of = chosen
    this.call = null
    this.render()
    if (!chosen) {
      replace(this.aside)
      void this.source.show(null)
      void this.loadSlowest()
      return
    }
    if (mayHaveText(session.info, chosen.fn)) void this.source.show(chosen.fn)
    if (!session.hasData) return
    try {
      const call = await session.client.ask(
        'call',
        [chosen.lane, chosen.depth, Math.floor(chosen.time), Math.ceil(chosen.end)],
        { key: 'call' },
      )
      if (this.of !== chosen) return
      if (!call) return await this.snap(chosen)
      this.call = call
      if (call.begin_ns >= 0) chosen.begin = call.begin_ns
      if (call.end_ns !== undefined) chosen.end = call.end_ns
      chosen.fn = call.function
      session.tell('hover')
      this.showSource(call)
      announce(
        `${functionFull(session.info, call.function)}, ` +
          formatDuration(chosen.end - chosen.begin),
      )
      this.render()
      void this.loadSiblings(chosen)
    } catch (error) {
      if (!(error instanceof Dropped) && this.of === chosen) this.note(String(error))
    }
  }

  /** A moment between two of many short calls, which are drawn as one: the next of them
   * is chosen instead. */
  private async snap(chosen: Chosen): Promise<void> {
    const { session } = this
    const { lane, depth, fn, time } = chosen
    const functions = new Uint8Array(session.info.functions.name.length)
    if (fn >= 0) functions[fn] = 1
    const found = await session.client.ask(
      'event',
      [lane, Math.floor(time), false, EVENT_BEGINS, fn >= 0 ? functions : null],
      { key: 'snap' },
    )
    if (this.of !== chosen) return
    if (found?.depth === depth && found.time_ns > time) {
      const begin = found.time_ns
      const next = { lane, depth, time: begin, begin, end: begin, fn: found.function }
      session.chosen = next
      session.chooseFunction(found.function)
      session.tell('chosen')
      return
    }
    replace(this.box, make('p', { class: 'quiet' }, 'No call at this very place.'))
  }

  /** While nothing is chosen: where the time went. */
  private async loadSlowest(): Promise<void> {
    const { session } = this
    if (!session.hasData) return
    try {
      const totals = await session.client.ask(
        'totals',
        [ALL],
        {
          key: 'totals-all',
          progress: (share) => {
            const text = `Adding up… ${Math.round(share * 100)} %`
            const note = make('p', { class: 'quiet' }, text)
            if (!session.chosen) replace(this.aside, note)
          },
        },
      )
      if (session.chosen) return
      if (totals.rows.length === 0) {
        replace(this.aside, make('p', { class: 'quiet' }, 'No calls were recorded.'))
        return
      }
      const rows = [...totals.rows].sort((a, b) => b[3] - a[3]).slice(0, 14)
      const most = Math.max(rows[0]?.[3] ?? 1, 1)
      const body = make('tbody')
      for (const row of rows) {
        const bar = make('span', { class: 'bar' })
        bar.style.width = `${(100 * row[3]) / most}%`
        const slowest = () => void showSlowest(session, row[0], ALL, this.goTo)
        body.append(
          make(
            'tr',
            {},
            make(
              'td',
              {},
              functionButton(session, row[0], () => {
                session.chooseFunction(row[0])
                session.setTab('functions')
              }),
            ),
            make('td', { class: 'number' }, formatCount(row[1])),
            make('td', { class: 'number with-bar' }, bar, formatDuration(row[3])),
            make(
              'td',
              { class: 'number' },
              make(
                'button',
                {
                  class: 'link go',
                  type: 'button',
                  title: 'show this call on the time line',
                  onclick: slowest,
                },
                formatDuration(row[5]),
              ),
            ),
          ),
        )
      }
      replace(
        this.aside,
        make('h3', {}, 'Where the time went'),
        make(
          'p',
          { class: 'quiet lead' },
          'Self: without the calls it made. Click a slowest call to go there.',
        ),
        make(
          'table',
          { class: 'table', 'aria-label': 'Where the time went' },
          make(
            'thead',
            {},
            make(
              'tr',
              {},
              make('th', {}, 'Function'),
              make('th', { class: 'number' }, 'Calls'),
              make('th', { class: 'number' }, 'Self'),
              make('th', { class: 'number' }, 'Slowest call'),
            ),
          ),
          body,
        ),
      )
    } catch (error) {
      if (!(error instanceof Dropped))
        replace(this.aside, make('p', { class: 'quiet' }, String(error)))
    }
  }

  /** The slowest call of a function inside the chosen call. */
  private async goInside(fn: number): Promise<void> {
    const { session } = this
    const { chosen } = session
    if (!chosen) return
    const window = {
      from: Math.max(Math.floor(chosen.begin), 0),
      to: Math.ceil(chosen.end),
      lanes: session.laneTable([chosen.lane]),
    }
    const slowest = await slowestCall(session, fn, window)
    if (slowest) this.goTo(slowest)
  }

  private note(text: string): void {
    this.box.append(make('p', { class: 'quiet' }, text))
  }

  /** The call's own text; of a function without one the place it was called from. */
  private showSource(call: Call): void {
    const { info } = this.session
    let { line, caller } = call
    if (mayHaveText(info, call.function)) {
      const callees = call.children.map(([fn, calls, total]) => ({ fn, calls, total }))
      void this.source.show(call.function, [], callees)
      return
    }
    for (const frame of [...call.parents].reverse()) {
      if (mayHaveText(info, frame.function)) {
        const isThere = line > 0 && caller === frame.function
        void this.source.show(frame.function, isThere ? [line] : [])
        return
      }
      ;({ line, caller } = frame)
    }
  }

  /** All calls of this function in the trace, beside the one that is chosen. */
  private async loadSiblings(chosen: Chosen): Promise<void> {
    const { session } = this
    try {
      const calls = await session.client.ask(
        'calls',
        [chosen.fn, ALL, 40],
        { key: 'calls' },
      )
      if (this.of !== chosen) return
      if (calls.count === 1) {
        const once = 'This is the only call of this function.'
        replace(this.aside, make('p', { class: 'quiet' }, once))
        return
      }
      replace(
        this.aside,
        make('h3', {}, `All calls: ${formatCount(calls.count)}`),
        histogramView(calls.histogram, chosen.end - chosen.begin),
        make('h3', {}, 'Slowest'),
        slowestTable(session, chosen.fn, calls.slowest, this.goTo),
      )
    } catch (error) {
      if (!(error instanceof Dropped))
        replace(this.aside, make('p', { class: 'quiet' }, String(error)))
    }
  }

  private render(): void {
    const { session } = this
    const chosen = session.chosen
    this.box.parentElement?.classList.toggle('empty', !chosen)
    if (!chosen) {
      replace(
        this.box,
        make(
          'div',
          { class: 'welcome' },
          make('h2', {}, 'Click a call to see all about it'),
          make(
            'p',
            {},
            'Scroll with Ctrl to zoom, drag to select a stretch of time, ',
            make('kbd', {}, 'W'),
            make('kbd', {}, 'A'),
            make('kbd', {}, 'S'),
            make('kbd', {}, 'D'),
            ' to move, ',
            make('kbd', {}, '/'),
            ' to search, ',
            make('kbd', {}, 'Space'),
            ' to play, ',
            make('kbd', {}, '?'),
            ' for all keys.',
          ),
          overview(session),
        ),
      )
      return
    }
    const { info } = session
    const call = this.call
    const fn = call?.function ?? chosen.fn
    const colour = session.drawing.colour(fn, session.dark)
    const swatch = make('span', { class: 'swatch' })
    swatch.style.background = colour
    replace(
      this.box,
      make(
        'h2',
        { class: 'call-title' },
        swatch,
        make('bdi', {}, functionLabel(info, fn)),
      ),
      make(
        'div',
        { class: 'place', title: functionPlace(info, fn) },
        shortPath(functionPlace(info, fn)),
      ),
      this.facts(chosen, call),
      call && call.arguments > 0
        ? this.values(chosen.lane, call.arguments, 'Arguments')
        : null,
      call && (call.result ?? 0) > 0
        ? this.values(chosen.lane, call.result!, 'Returned')
        : null,
      call ? unwindingView(session, chosen, call, this.goTo) : null,
      call ? callLogs(session, chosen, call) : null,
      call
        ? this.parents(chosen, call)
        : make(
            'p',
            { class: 'quiet' },
            session.hasData ? 'Reading…' : 'The recording is still being loaded…',
          ),
      call ? this.children(call) : null,
    )
  }

  private facts(chosen: Chosen, call: Call | null): HTMLElement {
    const { info } = this.session
    const lane = info.lanes[chosen.lane]
    const list = make('dl', { class: 'facts' })
    const put = (name: string, value: string, title = '') =>
      list.append(make('dt', {}, name), make('dd', { title }, value))
    const duration = chosen.end - chosen.begin
    put(
      'Duration',
      (call ? '' : '≈ ') + formatDuration(duration),
      `${formatCount(duration)} ns`,
    )
    if (call?.self_ns !== undefined && call.self_ns >= 0) {
      const share = duration > 0 ? ` (${formatShare(call.self_ns / duration)})` : ''
      put(
        'Self',
        formatDuration(call.self_ns) + share,
        `${formatCount(call.self_ns)} ns`,
      )
      const cost = ((call.descendants ?? 0) * info.cost_python_ps) / 1000
      if (cost > duration * 0.01) put('Cost of tracing', `≈ ${formatDuration(cost)}`)
    }
    if (
      call?.running_ns !== undefined &&
      call.running_ns > 0 &&
      call.running_ns !== duration
    )
      put('All running parts', formatDuration(call.running_ns))
    put(
      'Start',
      formatMoment(chosen.begin, Math.max(duration / 100, 1)),
      `${formatCount(chosen.begin)} ns`,
    )
    if (call?.ending) {
      const exception = call.exception ?? -1
      const type = exception >= 0 ? this.session.string(exception) : ''
      put('Ended', (ENDINGS[call.ending] ?? call.ending) + (type ? ` ${type}` : ''))
    }
    if (call && call.line > 0 && call.caller >= 0) {
      const file = this.session.info.functions.file[call.caller] ?? ''
      const name = functionFull(this.session.info, call.caller)
      put('Called from', `${shortPath(file)}:${call.line}`, name)
    }
    if (lane) put('Lane', laneName(lane))
    return list
  }

  private values(lane: number, blob: number, title: string): HTMLElement {
    const list = make('dl', { class: 'facts values' })
    const section = make('section', {}, make('h3', {}, title), list)
    this.session.client.ask('values', [lane, blob]).then(
      (values) => {
        for (const value of values)
          list.append(
            make('dt', {}, value.name || '·'),
            make('dd', {}, make('code', {}, valueText(value))),
          )
      },
      () => section.remove(),
    )
    return section
  }

  private parents(chosen: Chosen, call: Call): HTMLElement {
    const { session } = this
    const list = make('ol', {
      class: 'stack',
      'aria-label': 'callers, outermost first',
    })
    call.parents.forEach((frame) => {
      const go = () =>
        this.goTo({
          lane: chosen.lane,
          depth: frame.depth,
          time: chosen.time,
          begin: frame.begin_ns,
          end: chosen.end,
          fn: frame.function,
        })
      list.append(make('li', {}, functionButton(session, frame.function, go)))
    })
    return make(
      'section',
      {},
      make(
        'h3',
        {},
        call.parents.length
          ? `Called by (${call.parents.length} deep)`
          : 'Outermost: no caller was recorded',
      ),
      call.parents.length ? list : null,
    )
  }

  private children(call: Call): HTMLElement | null {
    if (call.children.length === 0) return null
    const { session } = this
    const total = Math.max(...call.children.map((child) => child[2]), 1)
    const body = make('tbody')
    for (const [fn, calls, time] of call.children.slice(0, 30)) {
      const bar = make('span', { class: 'bar' })
      bar.style.width = `${(100 * time) / total}%`
      body.append(
        make(
          'tr',
          {},
          make(
            'td',
            {},
            functionButton(session, fn, () => void this.goInside(fn)),
          ),
          make('td', { class: 'number' }, formatCount(calls)),
          make('td', { class: 'number with-bar' }, bar, formatDuration(time)),
        ),
      )
    }
    return make(
      'section',
      {},
      make('h3', {}, call.whole ? 'It called' : 'It called (the part that was read)'),
      make(
        'table',
        { class: 'table', 'aria-label': 'What it called' },
        make(
          'thead',
          {},
          make(
            'tr',
            {},
            make('th', {}, 'Function'),
            make('th', { class: 'number' }, 'Calls'),
            make('th', { class: 'number' }, 'Time'),
          ),
        ),
        body,
      ),
    )
  }
}

export function functionButton(
  session: Session,
  fn: number,
  go: () => void,
): HTMLElement {
  const swatch = make('span', { class: 'swatch' })
  swatch.style.background = session.drawing.colour(fn, session.dark)
  const place = functionPlace(session.info, fn)
  return make(
    'button',
    {
      class: 'link',
      type: 'button',
      title: `${functionFull(session.info, fn)}\n${place}`,
      onclick: go,
    },
    swatch,
    make('bdi', {}, functionLabel(session.info, fn)),
    make('span', { class: 'where' }, place ? shortPath(place) : ''),
  )
}

/** The slowest call of a function in a window; null: there is none. */
async function slowestCall(
  session: Session,
  fn: number,
  window: Selection,
): Promise<Chosen | null> {
  const { slowest } = await session.client.ask('calls', [fn, window, 1], {
    key: 'slowest',
  })
  if (!slowest[0]) return null
  const [begin, duration, lane, depth] = slowest[0]
  return { lane, depth, time: begin, begin, end: begin + duration, fn }
}

/** Goes to the slowest call of a function in a window, so near that it can be read. */
export async function showSlowest(
  session: Session,
  fn: number,
  window: Selection,
  goTo: (chosen: Chosen) => void,
): Promise<void> {
  const slowest = await slowestCall(session, fn, window)
  if (!slowest) return
  session.show(framed({ from: slowest.begin, to: slowest.end }, 0.5), true)
  goTo(slowest)
}

export function slowestTable(
  session: Session,
  fn: number,
  slowest: readonly (readonly number[])[],
  goTo: (chosen: Chosen) => void,
): HTMLElement {
  const body = make('tbody')
  for (const [begin, duration, lane, depth, ending] of slowest as [
    number,
    number,
    number,
    number,
    number,
  ][]) {
    const go = () => {
      const chosen = { lane, depth, time: begin, begin, end: begin + duration, fn }
      session.show(framed({ from: begin, to: begin + duration }, 0.5), true)
      goTo(chosen)
    }
    body.append(
      make(
        'tr',
        {},
        make(
          'td',
          { class: 'number' },
          make(
            'button',
            { class: 'link go', type: 'button', onclick: go },
            formatDuration(duration),
          ),
        ),
        make(
          'td',
          { class: 'number' },
          formatMoment(begin, Math.max(duration / 20, 1)),
        ),
        make('td', {}, laneName(session.info.lanes[lane] ?? session.info.lanes[0]!)),
        make(
          'td',
          { class: 'ending' },
          ending === 1 ? 'raised' : ending === 3 ? 'open' : '',
        ),
      ),
    )
  }
  return make(
    'table',
    { class: 'table slowest', 'aria-label': 'Slowest calls' },
    make(
      'thead',
      {},
      make(
        'tr',
        {},
        make('th', { class: 'number' }, 'Duration'),
        make('th', { class: 'number' }, 'Start'),
        make('th', {}, 'Lane'),
        make('th', {}, ''),
      ),
    ),
    body,
  )
}
