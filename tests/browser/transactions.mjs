// Reads the table of transactions and goes from the slowest to its place:
//   node transactions.mjs ADDRESS
import { start } from './driver.mjs'

const [address] = process.argv.slice(2)
const { browser, page, shown, session, until, settle, open } = await start()
await open(address)
await page.click('#tab-transactions')
const table = () =>
    page.$$eval('tr[data-transaction]', (list) =>
        list.map((row) => [
            row.dataset.transaction,
            ...[...row.cells].slice(1).map((cell) => cell.title || cell.textContent),
        ]),
    )
await page.waitForSelector('tr[data-transaction]')
shown.rows = await table()
await page.fill('#transactions-table input', 'user')
await page.keyboard.press('Enter')
await until("document.querySelectorAll('tr[data-transaction]').length > 1")
shown.groups = (await table()).map((row) => [row[0], row[1]])
await page.click('#transactions-aside .slowest button')
await settle("session.chosen !== null && !session.target && session.tab === 'call'")
await page.waitForSelector('.call-title')
shown.title = await page.textContent('.call-title')
shown.duration = await session('session.chosen.end - session.chosen.begin')
shown.inSight = await session(
    'session.span.from < session.chosen.begin && session.span.to > session.chosen.end',
)

// A value leads to the call that has it: from the start of what is shown.
await page.focus('#overlay')
await page.keyboard.press('0')
await settle('!session.target')
await page.fill('#search', '=user=user 2')
await page.keyboard.press('Enter')
await until("document.querySelector('#search-note').textContent !== 'Enter: next'")
await settle('session.playhead !== null || session.chosen !== null')
shown.valueNote = await page.textContent('#search-note')
shown.hits = []
for (let i = 0; i < 12; i++) {
    const last = await session('app.finder.last')
    shown.hits.push(last)
    await page.keyboard.press('Enter')
    await until(
        `(() => { const { app } = marey.running(); return app.finder.last > ${last} || document.querySelector('#search-note').textContent === 'none after' })()`,
    )
    if ((await page.textContent('#search-note')) === 'none after') break
}
await browser.close()
console.log(JSON.stringify(shown))
