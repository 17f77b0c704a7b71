// Opens pages one after the other in one browser, zooms, clicks, reads, plays:
//   node odd.mjs SHOTS-FOLDER NAME=ADDRESS...
import { join } from 'node:path'
import { start } from './driver.mjs'

const [shots, ...pages] = process.argv.slice(2)
const { browser, page, shown, session, act, settle, open } = await start()
const told = {}
for (const one of pages) {
    const name = one.slice(0, one.indexOf('='))
    shown.errors.length = 0
    const begun = Date.now()
    await open(one.slice(name.length + 1))
    const result = { ready_ms: Date.now() - begun }
    result.lanes = await session('session.states.length')
    result.rows = await session('session.states[0]?.rows ?? 0')
    result.whole = await session('session.whole.to - session.whole.from')
    result.facts = await page.textContent('#trace-facts')
    await page.screenshot({ path: join(shots, `${name}.png`) })
    await page.mouse.click(700, 145)
    result.title = (await page.$('.call-title'))
        ? (await page.textContent('.call-title')).slice(0, 400)
        : ''
    await page.mouse.move(400, 150)
    result.tip = (await page.textContent('.tip')).slice(0, 400)
    // Far in, far out, and through the tabs.
    for (const key of ['w', 'w', 'w', 'd', 's', '2', '3', '4'])
        await page.keyboard.press(key)
    await page.keyboard.press('Space')
    await settle('session.playhead !== null')
    if (await session('app.film.isPlaying')) await page.keyboard.press('Space')
    await page.keyboard.press('0')
    await settle('!session.target')
    const last = await session('session.states[session.states.length - 1]?.lane ?? -1')
    if (last >= 0) {
        const depth = Math.max((await session('session.states.at(-1).rows')) - 1, 0)
        await act(`app.timeline.reveal(${last}, ${depth})`)
        result.scrolled = await session('session.scrollTop')
    }
    if (last >= 0) {
        await page.dblclick(`[data-lane="${last}"] .handle`)
        await settle('!session.target')
        result.life = await session('session.span.to - session.span.from')
    }
    // Values of what was logged, where anything was.
    await page.focus('#overlay')
    await page.keyboard.press('v')
    await page.waitForSelector('dialog[open]')
    result.variables = await page.$$eval('.palette-list li', (list) =>
        list.map((row) => row.textContent),
    )
    await page.keyboard.press(result.variables.length > 0 ? 'Enter' : 'Escape')
    await settle('session.histories.list.every((one) => one.facts)')
    result.tabs = await page.$$eval('.tabs button:not([hidden])', (list) =>
        list.map((tab) => tab.textContent.trim()),
    )
    await page.screenshot({ path: join(shots, `${name}-end.png`) })
    result.worst_ms = Math.max(...(await session('app.timeline.frames')))
    result.elements = await page.evaluate("document.querySelectorAll('*').length")
    result.errors = [...shown.errors]
    told[name] = result
}
await browser.close()
console.log(JSON.stringify(told))
