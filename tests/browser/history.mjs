// Values of variables as lanes, in the page: node history.mjs ADDRESS
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, act, until, settle, open, place } = await start()
await open(address)

// The palette lists them; choosing one shows its lane.
await page.focus('#overlay')
await page.keyboard.press('v')
await page.waitForSelector('.palette-list li')
shown.variables = await page.$$eval('.palette-list li', (list) =>
    list.map((row) => row.textContent),
)
await page.keyboard.type('level')
await page.keyboard.press('Enter')
const loaded = 'session.histories.list.every((one) => one.facts)'
await settle(`session.histories.list.length === 1 && ${loaded}`)

// The details of a call lead there, too.
const count = await session('session.info.lanes.length')
await act('app.goTo({ lane: 0, depth: 1, time: 2500, begin: 2500, end: 2500, fn: 1 })')
await page.click('.values button:text-is("word")')
await settle(`session.histories.list.length === 2 && ${loaded}`)
await page.keyboard.press('Escape')
await act("session.histories.add({ lane: 0, fn: -1, name: 'Machine.state' })")
await settle(`session.histories.list.length === 3 && ${loaded}`)
shown.facts = await session(
    'session.histories.list.map((one) => [one.variable.name, one.facts.count])',
)

/** What the lane of a variable says under the pointer at a moment. */
const tipAt = async (name, time) => {
    const place = await session(
        `(() => {
            const strip = session.strips.find((one) => one.variable?.name === ${JSON.stringify(name)})
            const box = app.timeline.overlay.getBoundingClientRect()
            const share = (${time} - session.span.from) / (session.span.to - session.span.from)
            return [box.left + share * box.width, box.top + strip.top - session.scrollTop + 15]
        })()`,
    )
    await page.mouse.move(...place)
    const tip = await page.$('body > .tip:not([hidden])')
    return tip ? (await tip.$eval('strong', (one) => one.textContent)) : null
}
const times = JSON.parse(process.argv[3])
shown.tips = []
for (const [name, time] of times) shown.tips.push(await tipAt(name, time))
// A click puts the playhead where the value came to be.
await page.mouse.down()
await page.mouse.up()
shown.playhead = await session('session.playhead')

// The address holds them; taking one away is in it, too.
await open(await place())
await settle(`session.histories.list.length === 3 && ${loaded}`)
shown.again = await session('session.histories.list.map((one) => one.variable.name)')
await page.click('.gutter-strip.history button')
await settle('session.histories.list.length === 2')
await until('location.hash.includes("v=") && !location.hash.includes("level")')

// The way of an exception: raised where, caught where.
await act('app.goTo({ lane: 0, depth: 1, time: 12050, begin: 12050, end: 12050, fn: 1 })')
await page.waitForSelector('.unwinding .taken')
shown.unwinding = await page.$$eval('.unwinding code, .unwinding li', (list) =>
    list.map((one) => [...one.querySelectorAll('.how, bdi')].map((part) => part.textContent).join(' ') || one.textContent),
)

// Line by line: what each changed.
await act('session.setPlayhead(7000)')
await page.focus('#overlay')
shown.lines = []
for (const key of ['j', 'j', 'k']) {
    const before = await session('session.playhead')
    await page.keyboard.press(key)
    await settle(`session.playhead !== ${before}`)
    await page.waitForSelector('.changes dd')
    shown.lines.push([
        await session('session.playhead'),
        await page.textContent('.changes dt'),
        await page.textContent('.changes dd'),
    ])
}

// Wherever the playhead is put, the line stands that was logged last in that very call;
// while the film plays, it follows.
shown.standing = []
for (const time of [8600, 8100, 5500, 2900]) {
    await act(`session.setPlayhead(${time})`)
    shown.standing.push([
        await session('app.film.line?.line ?? null'),
        await page.textContent('.changes'),
    ])
}
await act('session.show({ from: 8000, to: 8400 })')
await act('session.setPlayhead(8290)')
await page.keyboard.press('Space')
await settle('app.film.line?.time_ns === 8300')
await page.keyboard.press('Space')
await act('session.show(session.whole)')

// What a filter leaves out has no values left; those of its caller do.
await act('session.setFilter({ ...session.filter, depth: 1 })')
await settle(
    `session.filterProgress === null && session.histories.list[0].note !== ''`,
)
shown.filtered = await session('session.histories.list[0].note')
shown.lanes = count
await browser.close()
console.log(JSON.stringify(shown))
