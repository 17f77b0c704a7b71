// How long until there is a picture, in headless Chromium: node first.mjs ADDRESS
// Prints ms from the navigation to the first picture, and until all can be asked; MB of
// all renderers of the browser (what is shared counted for each its part).
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { start } from '../tests/browser/driver.mjs'

const { browser, page, session, settle } = await start()
const begun = Date.now()
await page.goto(process.argv[2])
await settle('true', 120000)
const picture = await page.evaluate(
    "performance.getEntriesByName('marey-first-picture')[0].startTime",
)
await settle('session.hasData', 120000)
const ready = Date.now() - begun
await page.waitForTimeout(1000)
const lanes = await session('session.info.lanes.length')

/** Of processes whose command line says that they draw a page. */
function tabBytes() {
    let sum = 0
    const list = execFileSync('pgrep', ['-f', 'type=renderer'], { encoding: 'utf8' })
    for (const pid of list.split('\n').filter(Boolean)) {
        try {
            const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
            sum += Number(/^Pss:\s+(\d+)/m.exec(rollup)[1]) * 1024
        } catch {
            // ended meanwhile
        }
    }
    return sum
}

console.log(JSON.stringify({ picture, ready, lanes, tab: tabBytes() }))
await browser.close()
