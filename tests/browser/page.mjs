// Uses the page as a person does, and prints what it shows as JSON:
//   node page.mjs ADDRESS SHOTS-FOLDER
import { join } from 'node:path'
import { start } from './driver.mjs'

const [address, shots] = process.argv.slice(2)
const { browser, page, shown, session, until, settle, rows, ...driver } = await start()
const { idle, open, place } = driver
await open(address)
shown.firstPicture_ms = await page.evaluate(
    "performance.getEntriesByName('marey-first-picture')[0].startTime",
)
shown.title = await page.title()
shown.facts = await page.textContent('#trace-facts')
await page.screenshot({ path: join(shots, 'whole.png') })

// A click on the outermost call of the first lane.
await page.mouse.click(700, 143)
await page.waitForSelector('#call-facts .facts')
await until("document.querySelector('#call-facts .stack, #call-facts h3') !== null")
shown.call = await page.$$eval('#call-facts .facts dt', (list) =>
    Object.fromEntries(
        list.map((dt) => [
            dt.textContent,
            dt.nextElementSibling.title || dt.nextElementSibling.textContent,
        ]),
    ),
)
shown.callTitle = await page.textContent('.call-title')
shown.source = await page.$$eval('#call-source .of-function', (list) =>
    list.map((line) => line.textContent),
)

// The table of the whole recording.
await page.keyboard.press('2')
await page.waitForSelector('tr[data-function]')
shown.functions = await rows('tr[data-function]')
await page.screenshot({ path: join(shots, 'functions.png') })

// A row is chosen anywhere, and its slowest call is a way to that call.
const inner = 'tr[data-function$=":inner"]'
await page.click(`${inner} td:nth-child(2)`)
shown.rowChosen = await session('session.info.functions.name[session.fn]')
await page.click(`${inner} .go`)
shown.slowest = await session(
    '({ tab: session.tab, fn: session.info.functions.name[session.chosen.fn], ns: session.chosen.end - session.chosen.begin })',
)
await page.keyboard.press('Escape')
await page.keyboard.press('0')

// Keys move and zoom; 0 shows all again.
const before = await session('session.span')
await page.keyboard.press('w')
await settle('!session.target')
const after = await session('session.span')
shown.zoomed = (after.to - after.from) / (before.to - before.from)
await page.keyboard.press('0')
await settle('!session.target')

// A dragged area: the table is of that window.
await page.mouse.move(500, 300)
await page.mouse.down()
await page.mouse.move(900, 300, { steps: 5 })
await page.mouse.up()
await settle('session.area !== null')
await until(
    "document.querySelector('#functions-table .scope').textContent.startsWith('Selected')",
)
shown.area = await session(
    '({ from: session.area.from, to: session.area.to, lanes: session.area.lanes })',
)
shown.areaFunctions = await rows('tr[data-function]')
shown.hash = new URL(await place()).hash
await page.keyboard.press('Escape')

// Search, and go through what is found.
await page.keyboard.press('/')
await page.keyboard.type('inner')
shown.searchNote = await page.textContent('#search-note')
await page.keyboard.press('Enter')
await settle('session.chosen !== null')
shown.found = await session('session.info.functions.name[session.chosen.fn]')
const first = await session('session.chosen.begin')
await page.keyboard.press('Enter')
await settle(`session.chosen.begin > ${first}`)
await page.screenshot({ path: join(shots, 'search.png') })
await page.keyboard.press('Escape')

// The flame graph, then the film.
await page.click('#tab-flame')
await until("document.querySelector('#flame-scope').textContent === 'Whole recording'")
await page.screenshot({ path: join(shots, 'flame.png') })
await page.click('#tab-film')
await page.focus('#overlay')
await page.keyboard.press('Space')
await until("document.querySelectorAll('.stack.live li').length > 0")
const played = await session('session.playhead')
await settle(`session.playhead > ${played}`)
await page.keyboard.press('Space')
const still = await session('session.playhead')
await idle() // frames in which a film that goes on would move
shown.paused = still === (await session('session.playhead'))
shown.stack = await page.$$eval('.stack.live li .link', (list) => list.length)
await page.keyboard.press('Shift+ArrowRight')
await settle(`session.playhead > ${still}`)
await page.screenshot({ path: join(shots, 'film.png') })

// The dark theme, the help, the palette.
await page.keyboard.press('t')
shown.theme = await page.evaluate('document.documentElement.dataset.theme')
await page.keyboard.press('Shift+Slash')
shown.help = await page.$$eval('dialog.help dt', (list) => list.length)
await page.screenshot({ path: join(shots, 'help.png') })
await page.keyboard.press('Escape')
await page.keyboard.press('Shift+Period')
await page.keyboard.type('flame')
await page.keyboard.press('Enter')
shown.tab = await session('session.tab')

// The address shows the same again.
await open(await place())
shown.tabAgain = await session('session.tab')
shown.frames = await page.evaluate('marey.running().app.timeline.frames')
await browser.close()
console.log(JSON.stringify(shown))
