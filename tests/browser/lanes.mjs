// Folds, hides, pins and reorders lanes; reads points, counters and marks:
//   node lanes.mjs ADDRESS
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, act, until, settle, open } = await start({
    permissions: ['clipboard-read', 'clipboard-write'],
})
await open(address)
const order = () =>
    session("session.strips.filter((s) => s.kind === 'lane').map((s) => s.state.name)")
const centre = async (selector) => {
    const box = await page.locator(selector).boundingBox()
    return [box.x + box.width / 2, box.y + box.height / 2]
}

shown.order = await order()
// By mouse: the second lane's name above the first's.
await page.mouse.move(...(await centre('[data-lane="1"] .handle')))
await page.mouse.down()
const [x, y] = await centre('[data-lane="0"] .handle')
await page.mouse.move(x, y - 4, { steps: 4 })
shown.line = await page.isVisible('.drop-line')
await page.mouse.up()
shown.dragged = await order()
// By keys: back again; the name keeps the focus.
await page.focus('[data-lane="1"] .handle')
await page.keyboard.press('Alt+ArrowDown')
shown.moved = await order()
shown.focus = await page.evaluate(
    "document.activeElement.closest('[data-lane]')?.dataset.lane",
)
await page.keyboard.press('ArrowUp')
shown.focusAbove = await page.evaluate(
    "document.activeElement.closest('[data-lane]')?.dataset.lane",
)
// Pin, let go, hide, show, fold.
await page.focus('[data-lane="1"] [data-part="pin"]')
await page.keyboard.press('Enter')
shown.pinned = await order()
await page.keyboard.press('Enter')
await page.hover('[data-lane="0"] .handle')
await page.click('[data-lane="0"] [data-part="hide"]')
shown.hidden = await order()
shown.hiddenText = await page.textContent('#show-hidden')
await page.click('#show-hidden')
shown.shownAgain = await order()
const tall = await session('session.height')
await page.click('[data-lane="0"] .fold')
shown.folded = (await session('session.height')) < tall
await page.click('[data-lane="0"] .fold')
// A lane by its name.
await page.keyboard.press('Control+KeyP')
await page.keyboard.type('work')
shown.lanesFound = await page.$$eval('.palette-list li', (list) =>
    list.map((one) => one.textContent),
)
await page.keyboard.press('Escape')

// The counter under the pointer, and the moment in the ruler.
const counter = await session(
    "(() => { const s = session.strips.find((s) => s.kind === 'counter'); return s.top + s.height / 2 - session.scrollTop })()",
)
const stage = await page.locator('#overlay').boundingBox()
await page.mouse.move(stage.x + 500, stage.y + counter)
await settle("!document.querySelector('.tip').hidden")
await until("document.querySelector('.tip strong').textContent.startsWith('queue')")
shown.tip = await page.textContent('.tip strong')
shown.cursor = await session('session.cursor')
await page.mouse.click(stage.x + 400, stage.y + 20)
await settle('session.chosen !== null')
await page.keyboard.press('m')
await page.keyboard.press('Escape')
shown.marks = await session('session.marks')

// What it called is marked in the text; a click goes to the slowest such call.
await page.mouse.click(stage.x + 400, stage.y + 20)
await page.waitForSelector('.call-name')
shown.callNames = await page.$$eval('.call-name', (list) =>
    list.map((one) => one.textContent),
)
shown.lineNote = await page.textContent('.line-note')
await page.keyboard.press('Shift+KeyC')
shown.copied = await page.evaluate('navigator.clipboard.readText()')
await page.click('.call-name')
await settle("session.info.functions.name[session.chosen.fn] === 'inner'")
shown.slowestInside = await session('session.chosen.end - session.chosen.begin')

// The film goes from return to return.
await page.click('#tab-film')
await page.click('.step[aria-label="return"] button:last-child')
await settle('session.playhead !== null')
const first = await session('session.playhead')
await page.click('.step[aria-label="return"] button:last-child')
await settle(`session.playhead > ${first}`)
shown.returns = [first, await session('session.playhead')]

// What is not alive in the window is hidden until all is shown again; what is pinned
// stays.
const worker = "session.states.find((one) => one.name === 'worker')"
await act('session.show({ from: session.info.lanes[1].end_ns + 1, to: session.whole.to })')
await page.focus('#overlay')
await page.keyboard.press('h')
shown.busy = await order()
await page.click('#show-hidden')
await act(`(${worker}.isPinned = true)`)
await page.keyboard.press('h')
shown.busyOrPinned = await order()
await act(`(${worker}.isPinned = false)`)
await act('session.arrange()')
await act('session.show(session.whole)')

// A moment under the pointer is told with its distance from the nearest mark.
await act('(session.marks = [20000])')
await page.evaluate(`(() => {
    const draw = CanvasRenderingContext2D.prototype.fillText
    globalThis.written = []
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        globalThis.written.push(text)
        return draw.call(this, text, ...place)
    }
})()`)
const there = stage.width * (await session('(50000 - session.span.from) / (session.span.to - session.span.from)'))
await page.mouse.move(stage.x + there, stage.y + 30)
shown.distance = await page.evaluate("globalThis.written.findLast((text) => /[+−]/.test(text))")

// The address keeps how the lanes are arranged.
await page.focus('[data-lane="0"] [data-part="name"]')
await page.keyboard.press('Alt+ArrowDown')
await page.click('[data-lane="0"] .fold')
const kept = await session('app.places.address()')
await open(kept)
shown.keptOrder = await order()
shown.keptFolds = await session('session.states.map((state) => state.fold)')
await browser.close()
console.log(JSON.stringify(shown))
