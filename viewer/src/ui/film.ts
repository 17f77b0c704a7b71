/** Playing the recording: a playhead, the live stack, the source beside it. */
import { formatDuration, formatMoment } from '../base/units'
import { Dropped } from '../data/client'
import {
  EVENT_ANY,
  EVENT_BEGINS,
  EVENT_ENDS,
  EVENT_LINES,
  type Frame,
} from '../data/protocol'
import { functionLabel, laneName, mayHaveText } from '../model/trace'
import { announce, make, replace } from './dom'
import { functionButton } from './details'
import { valueText } from './logs'
import type { Chosen, Session } from '../view/session'
import type { SourceView } from './source'

/** Seconds of film for the window that is shown, at speed 1. */
const WINDOW_SECONDS = 12
const LINES_NEED = ', where --log lines:PATTERN logged it'
const LINE_STEPS = 200_000 // how far back a line is looked for, while it plays
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4, 8]

/** A line that was logged: it holds until its call logs the next. */
interface Line {
  time_ns: number
  fn: number
  depth: number
  line: number
}

/** Was it logged in this call, which is open since? */
function isOf(log: { time_ns: number; depth: number }, frame: Frame): boolean {
  return log.time_ns >= frame.begin_ns && log.depth === frame.depth + 1
}

export class Film {
  isPlaying = false
  private last = 0
  private speed = 1
  private asked = -1
  private stack: Frame[] = []
  private stackTime = 0 // when these calls are open
  private readonly list = make('ol', {
    class: 'stack live',
    'aria-label': 'open calls, outermost first',
  })
  private line: Line | null = null // where the innermost call stands
  private isFollowing = false
  private readonly clock = make('output', { class: 'clock' })
  private readonly changes = make('div', { class: 'changes', role: 'status' })
  private readonly toggleButton = make(
    'button',
    {
      type: 'button',
      class: 'button play',
      title: 'play or pause (Space)',
      onclick: () => this.toggle(),
    },
    '▶ Play',
  )
  private readonly lanes = make('select', {
    'aria-label': 'lane',
    onchange: () => this.setLane(Number(this.lanes.value)),
  })

  constructor(
    box: HTMLElement,
    private readonly session: Session,
    private readonly source: SourceView,
    private readonly goTo: (chosen: Chosen) => void,
  ) {
    const arrow = (text: string, title: string, back: boolean, kinds: number) =>
      make(
        'button',
        {
          type: 'button',
          class: 'button',
          title,
          'aria-label': title,
          onclick: () => void this.step(back, kinds),
        },
        text,
      )
    const step = (what: string, kinds: number, keys: [string, string], note = '') =>
      make(
        'span',
        { class: 'step', role: 'group', 'aria-label': what },
        arrow('‹', `previous ${what}${note}${keys[0]}`, true, kinds),
        make('span', { 'aria-hidden': 'true' }, what),
        arrow('›', `next ${what}${note}${keys[1]}`, false, kinds),
      )
    const speeds = make(
      'select',
      { 'aria-label': 'speed' },
      ...SPEEDS.map((s) => make('option', { value: s, selected: s === 1 }, `${s} ×`)),
    )
    speeds.addEventListener('change', () => (this.speed = Number(speeds.value)))
    replace(
      box,
      make(
        'div',
        { class: 'tools' },
        this.toggleButton,
        make('label', {}, 'Speed ', speeds),
        make('label', {}, 'Lane ', this.lanes),
        this.clock,
        make(
          'span',
          { class: 'steps' },
          step('event', EVENT_ANY, [' (Shift + ←)', ' (Shift + →)']),
          step('call', EVENT_BEGINS, [' (Shift + ↑)', ' (Shift + ↓)']),
          step('return', EVENT_ENDS, ['', '']),
          step('line', EVENT_LINES, [' (K)', ' (J)'], LINES_NEED),
        ),
      ),
      make(
        'div',
        { class: 'film-stack' },
        make(
          'div',
          { class: 'stack-head', 'aria-hidden': 'true' },
          make('span', {}, 'Open calls, outermost first'),
          make('span', {}, 'for'),
        ),
        this.list,
        this.changes,
      ),
    )
    session.on('playhead', () => this.changed())
    session.on('tab', () => this.changed())
    session.on('layout', () => this.fillLanes())
    session.on('data', () => this.changed())
    session.on('chosen', () => {
      if (session.chosen && session.tab === 'film')
        this.session.setPlayhead(session.chosen.time)
      this.lanes.value = String(session.playLane)
    })
    this.fillLanes()
  }

  private fillLanes(): void {
    const { session } = this
    if (this.lanes.options.length === Math.min(session.states.length, 500)) return
    replace(
      this.lanes,
      ...session.states
        .slice(0, 500)
        .map((state) =>
          make(
            'option',
            { value: state.lane, selected: state.lane === session.playLane },
            laneName(session.info.lanes[state.lane]!),
          ),
        ),
    )
    if (session.states[0] && !session.states.some((s) => s.lane === session.playLane))
      session.playLane = session.states[0].lane
    this.lanes.value = String(session.playLane)
  }

  private setLane(lane: number): void {
    this.session.playLane = lane
    this.asked = -1
    this.changed()
  }

  toggle(): void {
    if (this.isPlaying) this.pause()
    else this.play()
  }

  play(): void {
    const { session } = this
    const { span } = session
    if (
      session.playhead === null ||
      session.playhead < span.from ||
      session.playhead >= span.to
    )
      session.setPlayhead(Math.max(session.chosen?.begin ?? span.from, span.from))
    this.isPlaying = true
    this.toggleButton.textContent = '❚❚ Pause'
    this.last = performance.now()
    session.setTab('film')
    requestAnimationFrame((now) => this.tick(now))
  }

  pause(): void {
    this.isPlaying = false
    this.toggleButton.textContent = '▶ Play'
  }

  private tick(now: number): void {
    if (!this.isPlaying) return
    const { session } = this
    const length = session.span.to - session.span.from
    const by =
      (Math.min(now - this.last, 100) / 1000 / WINDOW_SECONDS) * length * this.speed
    this.last = now
    const time = (session.playhead ?? session.span.from) + by
    if (time >= session.whole.to) {
      session.setPlayhead(session.whole.to)
      this.pause()
      return
    }
    if (time > session.span.to - length * 0.15)
      // the film moves under the playhead
      session.show({ from: session.span.from + by, to: session.span.to + by })
    session.setPlayhead(time)
    requestAnimationFrame((next) => this.tick(next))
  }

  async step(back: boolean, kinds: number): Promise<void> {
    const { session } = this
    this.pause()
    session.setTab('film')
    const from = session.playhead ?? session.chosen?.begin ?? session.span.from
    try {
      const found = await session.client.ask(
        'event',
        [session.playLane, Math.floor(from), back, kinds, null],
        { key: 'event' },
      )
      if (!found) {
        if (kinds === EVENT_LINES) announce('no line was logged there')
        return
      }
      if (kinds === EVENT_LINES) {
        const text = await this.readLine(found.time_ns, 'line-stepped')
        if (text) announce(text)
      }
      const { span } = session
      if (found.time_ns < span.from || found.time_ns > span.to) {
        const half = (span.to - span.from) / 2
        session.show({ from: found.time_ns - half, to: found.time_ns + half }, true)
      }
      session.setPlayhead(found.time_ns)
    } catch (error) {
      if (!(error instanceof Dropped)) this.clock.textContent = String(error)
    }
  }

  /** Which line it is, and what the one before it changed; as text, too. */
  private async readLine(time: number, key: string): Promise<string> {
    const { session } = this
    const lanes = session.laneTable([session.playLane])
    const window = { from: time, to: time + 1, lanes }
    const { logs } = await session.client.ask('logs', [window, '', '', 40], { key })
    const log = logs.find((one) => one.kind === 'line')
    if (!log) return ''
    const values = log.values ?? []
    const line = Number(values.find((value) => value.name === '')?.text ?? 0)
    this.line = { time_ns: time, fn: log.function, depth: log.depth, line }
    const changed = values.filter((value) => value.name !== '')
    replace(
      this.changes,
      make(
        'dl',
        { class: 'facts values' },
        ...changed.flatMap((value) => [
          make('dt', {}, value.name),
          make('dd', {}, make('code', {}, valueText(value))),
        ]),
      ),
    )
    const texts = changed.map((one) => `, ${one.name} is now ${valueText(one)}`)
    return `line ${line}${texts.join('')}`
  }

  /** Finds the line where the innermost call stands, one search at a time: what comes
   * meanwhile is looked for afterwards. */
  private async followLine(): Promise<void> {
    if (this.isFollowing) return
    this.isFollowing = true
    try {
      for (let stack: Frame[] | null = null; stack !== this.stack; ) {
        stack = this.stack
        await this.findLine(this.stackTime)
      }
    } catch (error) {
      if (!(error instanceof Dropped)) console.warn('line:', error)
    } finally {
      this.isFollowing = false
    }
  }

  private async findLine(time: number): Promise<void> {
    const { session } = this
    const frame = this.innermost()?.frame
    if (!frame) return this.forgetLine()
    const inside = { begin_ns: frame.begin_ns, depth: frame.depth, steps: LINE_STEPS }
    const found = await session.client.ask(
      'event',
      [session.playLane, Math.floor(time) + 1, true, EVENT_LINES, null, '', inside],
      { key: 'line' },
    )
    if (!found || !isOf(found, frame)) this.forgetLine()
    else if (found.time_ns !== this.line?.time_ns)
      await this.readLine(found.time_ns, 'line')
    this.showSource()
  }

  private forgetLine(): void {
    this.line = null
    replace(this.changes)
  }

  private changed(): void {
    const { session } = this
    const time = session.playhead
    this.clock.textContent =
      time === null
        ? ''
        : formatMoment(time, Math.max((session.span.to - session.span.from) / 2000, 1))
    if (
      time === null ||
      session.tab !== 'film' ||
      !session.hasData ||
      time === this.asked
    )
      return
    this.asked = time
    session.client
      .ask('stack', [session.playLane, Math.floor(time)], { key: 'stack' })
      .then(
        (stack) => this.render(stack, time),
        () => undefined,
      )
  }

  private render(stack: Frame[], time: number): void {
    const { session } = this
    this.stack = stack
    this.stackTime = time
    const rows = this.stack.slice(-60).map((frame, i, shown) => {
      const go = () =>
        this.goTo({
          lane: session.playLane,
          depth: frame.depth,
          time,
          begin: frame.begin_ns,
          end: time,
          fn: frame.function,
        })
      const since =
        frame.begin_ns >= 0 ? formatDuration(Math.max(time - frame.begin_ns, 0)) : ''
      return make(
        'li',
        { class: i === shown.length - 1 ? 'innermost' : '' },
        functionButton(session, frame.function, go),
        make('span', { class: 'since' }, since),
      )
    })
    replace(
      this.list,
      ...(rows.length
        ? rows
        : [make('li', { class: 'quiet' }, 'nothing is open here')]),
    )
    this.list.lastElementChild?.scrollIntoView({ block: 'nearest' })
    this.showSource()
    void this.followLine()
  }

  private showSource(): void {
    const inner = this.innermost()
    if (!inner) return
    const { frame, callee } = inner
    const { line } = this
    const isThere = callee && callee.line > 0 && callee.caller === frame.function
    const lines = isThere ? [callee.line] : []
    if (line && line.line > 0 && isOf(line, frame))
      lines.splice(0, 1, line.line)
    const callees = callee ? [{ fn: callee.function, calls: 1, total: 0 }] : []
    void this.source.show(frame.function, lines, callees)
  }

  /** The innermost call whose text is known, and the one it waits for. */
  private innermost(): { frame: Frame; callee: Frame | undefined } | null {
    const { session } = this
    for (let i = this.stack.length - 1; i >= 0; i--) {
      const frame = this.stack[i]!
      if (mayHaveText(session.info, frame.function))
        return { frame, callee: this.stack[i + 1] }
    }
    return null
  }

  describe(): string {
    const inner = this.stack[this.stack.length - 1]
    return inner ? functionLabel(this.session.info, inner.function) : ''
  }
}
