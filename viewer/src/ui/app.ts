/** Puts the parts of the page together, and holds the commands. */
import { formatDuration, formatMany, plural } from '../base/units'
import { Dropped } from '../data/client'
import { EVENT_ANY, EVENT_BEGINS } from '../data/protocol'
import { inverted, upright } from '../model/flame'
import { ROW_HEIGHT, ROW_HEIGHT_LARGE } from '../model/lanes'
import { variableWhere } from '../model/variables'
import { framed, panned, zoomed } from '../model/window'
import { readColours, type Colours } from '../view/colours'
import { Flame } from '../view/flame'
import { Minimap } from '../view/minimap'
import { drawRuler } from '../view/ruler'
import { Timeline, type Hit } from '../view/timeline'
import { Commands } from './commands'
import { Details } from './details'
import { announce, byId } from './dom'
import { Filters } from './filters'
import { Film } from './film'
import { Functions } from './functions'
import { Gutter } from './gutter'
import { Pointer } from './pointer'
import type { Chosen, Session } from '../view/session'
import { Finder, showMoment } from './finder'
import { keymap } from './keymap'
import { Places } from './places'
import { isLeaving, keepTheme, keptTheme, laneTitle } from './share'
import { SourceView } from './source'
import { Transactions } from './transactions'

const TABS = ['call', 'functions', 'flame', 'transactions', 'film'] as const

export class App {
  readonly timeline: Timeline
  private colours: Colours
  private readonly gutter: Gutter
  readonly pointer: Pointer
  readonly film: Film
  readonly functions: Functions
  private readonly flame: Flame
  readonly commands: Commands
  private flameKey = ''
  readonly finder: Finder
  readonly filters: Filters
  readonly places: Places

  constructor(readonly session: Session) {
    session.dark = this.wantsDark()
    this.applyTheme()
    this.colours = readColours(session.dark)
    const ruler = byId<HTMLCanvasElement>('ruler')
    this.timeline = new Timeline(
      byId('lanes'),
      byId('overlay'),
      session,
      () => this.colours,
    )
    const minimap = new Minimap(byId('minimap'), session)
    this.gutter = new Gutter(byId('gutter'), session)
    this.timeline.onFrame = (colours) => {
      drawRuler(ruler, session, colours)
      minimap.draw(colours)
      this.gutter.render()
    }
    const goTo = (chosen: Chosen) => this.goTo(chosen)
    this.finder = new Finder(session, goTo)
    const callSource = new SourceView(byId('call-source'), session)
    new Details(byId('call-facts'), byId('call-aside'), session, callSource, goTo)
    this.functions = new Functions(
      byId('functions-table'),
      byId('functions-aside'),
      session,
      new SourceView(byId('functions-source'), session),
      goTo,
    )
    new Transactions(
      byId('transactions-table'),
      byId('transactions-aside'),
      session,
      goTo,
    )
    this.film = new Film(
      byId('film-main'),
      session,
      new SourceView(byId('film-source'), session),
      goTo,
    )
    this.flame = new Flame(
      byId('flame'),
      session,
      () => this.colours,
      (tree, isInverted) => (isInverted ? inverted(tree) : upright(tree)),
    )
    this.flame.onChoose = (fn) => session.chooseFunction(fn)
    this.flame.onHover = (text) => (byId('flame-note').textContent = text)
    this.pointer = new Pointer(session, this.timeline, ruler, (hit) =>
      this.chooseHit(hit),
    )
    this.filters = new Filters(session)
    this.commands = new Commands(keymap(this), session.life)
    this.wireTabs()
    this.wireButtons()
    this.wireSplitter()
    document.onkeydown = (event) => {
      if (event.key === 'Tab') document.body.classList.add('keyboard')
    }
    document.onpointerdown = () => document.body.classList.remove('keyboard')
    session.on(['area', 'tab', 'data', 'search', 'theme'], () => void this.showFlame())
    const large = matchMedia('(min-width: 2600px)')
    const fit = () => {
      session.rowHeight = large.matches ? ROW_HEIGHT_LARGE : ROW_HEIGHT
      this.colours = readColours(session.dark)
      session.arrange()
      session.tell('theme')
    }
    large.addEventListener('change', fit, { signal: session.life })
    fit()
    this.showSummary()
    this.places = new Places(session, this.finder, TABS, (lane, depth) =>
      this.timeline.reveal(lane, depth),
    )
    this.timeline.request()
  }

  // ---- theme ----

  private wantsDark(): boolean {
    const kept = document.documentElement.dataset['theme'] ?? keptTheme()
    return kept ? kept === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  }

  private applyTheme(): void {
    document.documentElement.dataset['theme'] = this.session.dark ? 'dark' : 'light'
    this.session.drawing.setTheme(this.session.dark)
    this.session.drawing.setStates(this.session.functionStates())
    this.colours = readColours(this.session.dark)
  }

  switchTheme(): void {
    this.session.dark = !this.session.dark
    this.applyTheme()
    keepTheme(this.session.dark)
    this.session.tell('theme')
  }

  // ---- going to places ----

  goTo(chosen: Chosen): void {
    const { session } = this
    this.timeline.reveal(chosen.lane, chosen.depth)
    session.choose(chosen)
    const { span } = session
    if (chosen.end < span.from || chosen.begin > span.to)
      session.show(framed({ from: chosen.begin, to: chosen.end }, 0.4), true)
  }

  private chooseHit(hit: Hit): void {
    this.session.choose({
      lane: hit.lane,
      depth: hit.depth,
      time: Math.floor(hit.time),
      begin: hit.begin,
      end: hit.end,
      fn: hit.fn,
    })
  }

  // ---- tabs and flame ----

  private wireTabs(): void {
    const { session } = this
    const render = () => {
      for (const tab of TABS) {
        const isOn = session.tab === tab
        byId(`tab-${tab}`).setAttribute('aria-selected', String(isOn))
        byId(`tab-${tab}`).tabIndex = isOn ? 0 : -1
        byId(`panel-${tab}`).hidden = !isOn
      }
    }
    TABS.forEach((tab, i) => {
      byId(`tab-${tab}`).addEventListener('click', () => session.setTab(tab))
      byId(`tab-${tab}`).addEventListener('keydown', (event) => {
        const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
        if (by === 0) return
        event.stopPropagation()
        const shown = TABS.filter((tab) => !byId(`tab-${tab}`).hidden)
        const at = shown.indexOf(TABS[i]!)
        const next = shown[(at + by + shown.length) % shown.length]!
        session.setTab(next)
        byId(`tab-${next}`).focus()
      })
    })
    session.on('tab', render)
    render()
  }

  private async showFlame(): Promise<void> {
    const { session } = this
    if (session.tab !== 'flame') return
    const { area } = session
    const isInverted = byId<HTMLInputElement>('flame-inverted').checked
    const key = JSON.stringify([area, isInverted, session.hasData, session.filter])
    if (key === this.flameKey) {
      this.flame.draw()
      return
    }
    if (!session.hasData) return
    this.flameKey = key
    const note = byId('flame-scope')
    note.textContent = 'Reading…'
    const from = area ? Math.max(Math.floor(area.from), 0) : -1
    const to = area ? Math.max(Math.ceil(area.to), 0) : -1
    try {
      const tree = await session.client.ask(
        'tree',
        [{ from, to, lanes: session.laneTable(area?.lanes ?? null) }],
        {
          key: 'tree',
          progress: (share) =>
            (note.textContent = `Reading… ${Math.round(share * 100)} %`),
        },
      )
      note.textContent = area
        ? `Selected ${formatDuration(area.to - area.from)}`
        : 'Whole recording'
      this.flame.show(tree, isInverted)
    } catch (error) {
      if (!(error instanceof Dropped)) note.textContent = String(error)
    }
  }

  // ---- the rest ----

  private wireButtons(): void {
    byId('find-lane').addEventListener('click', () => this.openLanes())
    byId('theme').addEventListener('click', () => this.switchTheme())
    byId('help').addEventListener('click', () => this.commands.openHelp())
    byId('palette').addEventListener('click', () => this.commands.openPalette())
    byId('flame-inverted').addEventListener('change', () => void this.showFlame())
    this.session.client.onBusy((isBusy) =>
      document.body.classList.toggle('busy', isBusy),
    )
    byId('gutter').addEventListener(
      'wheel',
      (event) => {
        event.preventDefault()
        this.pointer.scroll(event.deltaY)
      },
      { passive: false },
    )
  }

  private wireSplitter(): void {
    const splitter = byId('splitter')
    const panel = byId('panel')
    const set = (height: number) => {
      const most = window.innerHeight - 220
      panel.style.height = `${Math.min(Math.max(height, 60), Math.max(most, 60))}px`
    }
    splitter.addEventListener('pointerdown', (event) =>
      splitter.setPointerCapture(event.pointerId),
    )
    splitter.addEventListener('pointermove', (event) => {
      if (splitter.hasPointerCapture(event.pointerId))
        set(window.innerHeight - event.clientY)
    })
    splitter.addEventListener('keydown', (event) => {
      const by = event.key === 'ArrowUp' ? 24 : event.key === 'ArrowDown' ? -24 : 0
      if (by === 0) return
      event.preventDefault()
      event.stopPropagation()
      set(panel.clientHeight + by)
    })
  }

  showSummary(): void {
    const { info, opened } = this.session
    const left = info.left_out?.length ?? 0
    document.title = `${opened.name} — Marey`
    byId('trace-name').textContent = opened.name
    byId('trace-facts').textContent =
      `${formatDuration(info.duration_ns)} · ${plural(info.events, 'event')} · ` +
      plural(info.functions.name.length, 'function') +
      (info.lost ? ` · ${formatMany(info.lost)} events lost` : '') +
      (left > 0 ? ` · ${plural(left, 'function')} left out` : '') +
      (opened.isLive ? ' · recording' : '')
    byId('trace-facts').classList.toggle('loss', info.lost > 0)
    byId('note').textContent = opened.note
    // Where the header is too narrow for them.
    for (const id of ['trace-name', 'trace-facts', 'note'])
      byId(id).title = byId(id).textContent ?? ''
    byId('overlay').setAttribute(
      'aria-label',
      `Time line of ${info.lanes.length} lanes over ` +
        `${formatDuration(info.duration_ns)}. The tables below hold the same as text.`,
    )
  }

  /** What was begun and has not ended, by name. While there is nothing, all that the
   * page shows is so. The address is not counted: it follows later, on purpose. */
  underWay(): string[] {
    const { session } = this
    const facts: [string, boolean][] = [
      ['a question to a worker', !session.client.isIdle],
      ['a picture', this.timeline.isDrawing],
      ['a filter', this.filters.isWaiting || session.filterProgress !== null],
      ['a copy', isLeaving()],
      ['the film', this.film.isPlaying],
    ]
    return facts.filter(([, isSo]) => isSo).map(([name]) => name)
  }

  zoom(factor: number): void {
    const { session } = this
    const span = session.target ?? session.span
    const hover = this.timeline.hover
    const chosen = session.chosen
    const inSight = (time: number) => time > span.from && time < span.to
    const middle = hover
      ? hover.time
      : chosen && inSight(chosen.time)
        ? chosen.time
        : (span.from + span.to) / 2
    session.show(zoomed(span, factor, middle), true)
  }

  pan(share: number): void {
    const span = this.session.target ?? this.session.span
    this.session.show(panned(span, share * (span.to - span.from)), true)
  }

  mark(): void {
    const { session } = this
    const { chosen } = session
    const time =
      session.playhead ??
      (chosen ? chosen.begin : (session.span.from + session.span.to) / 2)
    const near = session.marks.findIndex(
      (one) => Math.abs(one - time) < (session.span.to - session.span.from) / 400,
    )
    if (near >= 0) session.marks.splice(near, 1)
    else session.marks.push(Math.round(time))
    session.marks.sort((a, b) => a - b)
    session.tell('marks')
  }

  toMark(by: number): void {
    const { session } = this
    const middle = (session.span.from + session.span.to) / 2
    const list =
      by > 0
        ? session.marks.filter((m) => m > middle + 1)
        : session.marks.filter((m) => m < middle - 1).reverse()
    const half = (session.span.to - session.span.from) / 2
    if (list[0] !== undefined)
      session.show({ from: list[0] - half, to: list[0] + half }, true)
  }

  focusChosen(): void {
    const { chosen, whole } = this.session
    if (!chosen) this.session.show(whole, true)
    else {
      this.timeline.reveal(chosen.lane, chosen.depth)
      this.session.show(framed({ from: chosen.begin, to: chosen.end }, 0.6), true)
    }
  }

  /** The caller, or the first call that the chosen one made. */
  moveDepth(by: number): void {
    const { chosen } = this.session
    if (!chosen || chosen.depth + by < 0) return
    this.goTo({ ...chosen, depth: chosen.depth + by })
  }

  async sibling(back: boolean): Promise<void> {
    const { session } = this
    const { chosen } = session
    if (!chosen || session.tab === 'film') return this.film.step(back, EVENT_ANY)
    const functions = new Uint8Array(session.info.functions.name.length)
    functions[chosen.fn] = 1
    const found = await session.client
      .ask(
        'event',
        [chosen.lane, Math.floor(chosen.begin), back, EVENT_BEGINS, functions],
        {
          key: 'event',
        },
      )
      .catch(() => null)
    if (!found) {
      announce('no other call of this function')
      return
    }
    showMoment(session, found.time_ns)
    this.goTo({
      lane: found.lane,
      depth: found.depth,
      time: found.time_ns,
      begin: found.time_ns,
      end: found.time_ns,
      fn: found.function,
    })
  }

  openLanes(): void {
    const { session } = this
    const lanes = session.states.slice(0, 20000).map((state) => ({
      name: laneTitle(session, state.lane),
      keys: [],
      group: '',
      run: () => this.timeline.reveal(state.lane, 0),
    }))
    this.commands.openPalette(lanes, 'Lanes')
  }

  /** Any variable of which something was logged, to be shown as a lane. */
  async openVariables(): Promise<void> {
    const { session } = this
    if (!session.hasData) return announce('the recording is still being loaded')
    const { variables } = await session.histories
      .known((share) => announce(`looking for variables, ${Math.round(share * 100)} %`))
      .catch(() => ({ variables: [] }))
    if (variables.length === 0) {
      this.commands.openNote(
        'No values of variables were recorded. ' +
          'Record with --log var:NAME, --log attr:NAME or --log lines:PATTERN.',
      )
      return
    }
    const list = variables.map((one) => {
      const variable = { lane: one.lane, fn: one.function, name: one.name }
      const { info } = session
      const where = variableWhere(info, variable)
      const lane = info.lanes.length > 1 ? `, ${laneTitle(session, one.lane)}` : ''
      return {
        name: `${one.name}  ${where}, ${plural(one.count, 'value')}${lane}`,
        keys: [],
        group: '',
        run: () => {
          if (!session.histories.add(variable)) announce('too many lanes of variables')
          session.revealHistory(variable)
        },
      }
    })
    this.commands.openPalette(list, 'Variables')
  }

  foldAll(fold: 'all' | 'thin'): void {
    for (const state of this.session.states) {
      state.fold = fold
      if (fold === 'all') state.isHidden = false
    }
    this.session.arrange()
  }
}
