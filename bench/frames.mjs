// Time of the page's own script per frame, at every zoom, in headless Chromium:
//   node frames.mjs ADDRESS [WIDTH HEIGHT]
// Pans and zooms like a hand does, from the whole to single calls and back. Prints, per
// depth of zoom, the median, the 95th percentile and the most, in ms.
import { start } from '../tests/browser/driver.mjs'

const [address, width = '1920', height = '1080'] = process.argv.slice(2)
const { browser, page, session, settle } = await start({
    viewport: { width: Number(width), height: Number(height) },
})
const begun = Date.now()
await page.goto(address)
await settle('true', 60000)
const first = await page.evaluate(
    "performance.getEntriesByName('marey-first-picture')[0].startTime",
)
await settle('session.hasData', 120000)
const ready = Date.now() - begun
await page.waitForTimeout(500)

const told = []
const whole = await session('session.whole.to - session.whole.from')
for (let zoom = 1; whole / zoom > 20000; zoom *= 4) {
    await session('(app.timeline.frames.length = 0)')
    // A place where something happens: the middle, then one and two thirds.
    for (const share of [0.5, 0.33, 0.66]) {
        const length = whole / zoom
        const middle = whole * share
        for (let i = 0; i < 24; i++) {
            const from = middle - length / 2 + (i / 24) * length * 0.4
            await session(`session.show({ from: ${from}, to: ${from + length} })`)
            await page.evaluate(
                'new Promise((resolve) => requestAnimationFrame(resolve))',
            )
        }
    }
    const frames = (await session('app.timeline.frames')).sort((a, b) => a - b)
    const at = (share) =>
        frames[Math.min(Math.floor(frames.length * share), frames.length - 1)]
    told.push({ zoom, frames: frames.length, p50: at(0.5), p95: at(0.95), most: at(1) })
}
const memory = await page.evaluate('performance.memory?.usedJSHeapSize ?? 0')
await browser.close()
console.log(
    `${width}x${height}: first picture ${first.toFixed(0)} ms, ready ${ready} ms, ` +
        `JS heap ${(memory / 2 ** 20).toFixed(0)} MiB`,
)
console.log('  zoom  frames    p50    p95   most  (ms of script a frame)')
for (const { zoom, frames, p50, p95, most } of told)
    console.log(
        `${String(zoom).padStart(6)}${String(frames).padStart(8)}` +
            [p50, p95, most].map((n) => n.toFixed(1).padStart(7)).join(''),
    )
