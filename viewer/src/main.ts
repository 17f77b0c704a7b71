/** Where the page starts: find the trace, start the core, show it. */
import { Client } from './data/client'
import { Core } from './data/core'
import { Drawing } from './data/drawing'
import {
  fetchIndex,
  openFile,
  openReport,
  openServed,
  reportHead,
  reportSource,
  serverStatus,
  unpackedById,
  type Opened,
} from './data/place'
import { isFiltering } from './model/filter'
import { App } from './ui/app'
import { byId } from './ui/dom'
import { Session } from './view/session'

declare const WORKER_SCRIPT: string

const POLL_MS = 1500

interface Running {
  app: App
  session: Session
}
let running: Running | null = null

function say(text: string): void {
  byId('opening-text').textContent = text
  byId('opening').hidden = text === ''
}

async function start(opened: Opened, wasm: Uint8Array<ArrayBuffer>): Promise<Running> {
  const drawing = new Drawing(await Core.load(wasm))
  const client = new Client(WORKER_SCRIPT)
  const open = () => client.ask('open', [wasm.slice().buffer, opened.source])
  let { info, index } = opened
  let isOpen = false
  if (!info || !index) {
    await open()
    isOpen = true
    info = await client.ask('info', [])
    index = await client.ask('index', [], {
      progress: (share) => say(`Reading ${opened.name}… ${Math.round(share * 100)} %`),
    })
  }
  drawing.setFunctions(info)
  drawing.setIndex(index)
  const session = new Session(opened, info, drawing, client)
  session.plainIndex = index
  client.useSums(drawing.sums())
  session.hasData = isOpen
  const app = new App(session)
  performance.mark('marey-first-picture')
  if (!isOpen && opened.source.kind === 'url')
    refine(session, app)
      .then(open)
      .then(
        () => dataIsHere(session),
        (error: unknown) => note(app, error),
      )
  return { app, session }
}

/** What was drawn of a sample is drawn of everything. */
async function refine(session: Session, app: App): Promise<void> {
  const { opened } = session
  if (!opened.isCoarse) return
  const { whole, span } = session
  await session.setIndex(await fetchIndex())
  opened.isCoarse = false
  opened.note = ''
  if (span.from === whole.from && span.to === whole.to) session.show(session.whole)
  app.showSummary()
  session.tell('data', 'layout')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The picture stands; only what needs the trace itself is missing. */
function note(app: App, error: unknown): void {
  app.session.opened.note = `Only the overview: ${messageOf(error)}`
  app.showSummary()
}

function dataIsHere(session: Session): void {
  session.hasData = true
  session.tell('data')
  if (isFiltering(session.filter)) void session.applyFilter()
}

/** A trace that is still written grows on the screen. */
async function follow(current: Running, wasm: Uint8Array<ArrayBuffer>): Promise<void> {
  const { session, app } = current
  let size = session.opened.source.kind === 'url' ? session.opened.source.size : 0
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    if (running !== current) return
    if (document.hidden) continue
    const status = await serverStatus()
    if (!status) continue
    const changed = status.size !== size || status.live
    const wasLive = session.opened.isLive
    session.opened.isLive = status.live
    if (!changed && wasLive === status.live) continue
    size = status.size
    const opened = await openServed(status)
    const atEnd = session.span.to >= session.whole.to * 0.999
    const length = session.span.to - session.span.from
    const wasWhole = session.span.from <= session.whole.from && atEnd
    session.opened = { ...opened, isLive: status.live }
    session.client.useSums(null)
    await session.client.ask('open', [wasm.slice().buffer, opened.source])
    session.info = opened.info ?? (await session.client.ask('info', []))
    session.drawing.setFunctions(session.info)
    session.drawing.setTheme(session.dark)
    await session.setIndex(opened.index ?? (await session.client.ask('index', [])))
    session.search(session.value === '' ? session.query : `=${session.value}`)
    if (wasWhole) session.show(session.whole)
    else if (atEnd)
      session.show({ from: session.whole.to - length, to: session.whole.to })
    app.showSummary()
    session.tell('data', 'layout')
  }
}

function fail(error: unknown): void {
  console.error(error)
  say(`This recording could not be opened: ${messageOf(error)}`)
  byId('opening').classList.add('failed')
}

/** The page as it came, with none of what listened to its parts. */
const asItCame = new Map<Element, Node>()
for (const part of document.querySelectorAll('body > header, body > main'))
  asItCame.set(part, part.cloneNode(true))

function freshen(): void {
  for (const [part, copy] of [...asItCame]) {
    const fresh = copy.cloneNode(true) as Element
    part.replaceWith(fresh)
    asItCame.delete(part)
    asItCame.set(fresh, copy)
  }
  for (const tip of document.querySelectorAll('body > .tip, body > dialog'))
    tip.remove()
  document.body.className = ''
}

function takeDrops(wasm: Uint8Array<ArrayBuffer>): void {
  document.addEventListener('dragover', (event) => event.preventDefault())
  document.addEventListener('drop', (event) => {
    event.preventDefault()
    const file = event.dataTransfer?.files[0]
    if (!file) return
    running?.session.close()
    running = null
    freshen()
    history.replaceState(null, '', '#')
    say(`Reading ${file.name}…`)
    start(openFile(file), wasm).then((next) => {
      running = next
      say('')
    }, fail)
  })
}

async function main(): Promise<void> {
  const wasm = await unpackedById('marey-wasm')
  if (!wasm) throw new Error('the page is incomplete')
  takeDrops(wasm)
  const head = reportHead()
  if (head) {
    const opened = await openReport(head)
    if (!opened.info || !opened.index) {
      const source = await reportSource(head)
      if (source) opened.source = source
      running = await start(opened, wasm)
      say('')
      return
    }
    running = await start(opened, wasm)
    say('')
    const { session } = running
    const source = await reportSource(head)
    if (source) {
      opened.source = source
      const { app } = running
      session.client.ask('open', [wasm.slice().buffer, source]).then(
        () => dataIsHere(session),
        (error: unknown) => note(app, error),
      )
    }
    return
  }
  const status = await serverStatus()
  if (!status) {
    say('Drop a .marey file here to see it.')
    return
  }
  running = await start(await openServed(status), wasm)
  say('')
  void follow(running, wasm)
}

Object.assign(globalThis, { marey: { running: () => running } }) // for tests
main().catch(fail)
