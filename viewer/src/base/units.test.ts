/** Times, counts and sizes as people read them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatCount,
  formatDuration,
  formatMany,
  formatMoment,
  formatShare,
  niceStep,
} from './units'

test('durations keep three to four digits', () => {
  const cases: [number, string][] = [
    [0, '0 ns'],
    [999, '999 ns'],
    [1250, '1.25 µs'],
    [36_370_000, '36.37 ms'],
    [1e9, '1 s'],
    [75.5e9, '1 min 15.5 s'],
    [7_380e9, '2 h 3 min'],
    [-1500, '−1.5 µs'],
    [3600e9 - 1, '1 h 0 min'],
  ]
  for (const [ns, text] of cases) assert.equal(formatDuration(ns), text)
})

test('moments tell neighbouring steps apart', () => {
  for (const step of [1, 20, 5e3, 2e6, 1e8]) {
    const a = formatMoment(123_456_789, step)
    const b = formatMoment(123_456_789 + step, step)
    assert.notEqual(a, b)
  }
  assert.equal(formatMoment(50e6, 50e6), '50 ms')
  assert.equal(formatMoment(3_725e9, 5e9), '1:02:05')
})

test('steps are round and not below what was asked', () => {
  for (const least of [1, 3, 17, 230, 4.4e6, 9.9e9]) {
    const step = niceStep(least)
    assert.ok(step >= least * 0.999)
    assert.ok(step <= least * 2.6)
  }
})

test('counts are read by people', () => {
  assert.equal(formatCount(1234567), '1,234,567')
  assert.equal(formatMany(86_270_000), '86.3 M')
})

test('a part is not told as nothing, nor as all', () => {
  assert.equal(formatShare(0), '0 %')
  assert.equal(formatShare(0.0009), '< 1 %')
  assert.equal(formatShare(0.374), '37 %')
  assert.equal(formatShare(0.9951), '> 99 %')
  assert.equal(formatShare(1), '100 %')
})
