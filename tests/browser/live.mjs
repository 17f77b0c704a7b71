// Watches a trace grow: node live.mjs ADDRESS; a line on its input says the program ended.
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, act, until, settle, open } = await start()
await open(address)
shown.live = await page.textContent('#trace-facts')
const first = await session(
    '({ end: session.whole.to, events: session.info.events, shown: session.span.to })',
)
await settle(
    `session.whole.to > ${first.end} && session.info.events > ${first.events}`,
)
// The whole was shown, so the whole still is.
shown.followed = await session('session.span.to >= session.whole.to * 0.99')
shown.events = [first.events, await session('session.info.events')]
// A window that the user chose stays where it is.
await act('session.show({ from: 1000, to: 2000 })')
const events = await session('session.info.events')
await settle(`session.info.events > ${events}`)
shown.stayed = await session('session.span.from >= 900 && session.span.to <= 2100')
await page.keyboard.press('2')
await page.waitForSelector('tr[data-function]')
shown.row = await page.textContent('tr[data-function="__main__:beat"] td:nth-child(2)')
console.log(JSON.stringify({ ready: true }))
process.stdin.once('data', async () => {
    await until(
        "!document.querySelector('#trace-facts').textContent.includes('recording')",
    )
    shown.ended = await page.textContent('#trace-facts')
    await browser.close()
    console.log(JSON.stringify(shown))
    process.exit(0)
})
