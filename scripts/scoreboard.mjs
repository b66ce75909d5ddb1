// node scripts/scoreboard.mjs [--report FILE] [--json]
//
// Runs every test whose name begins with the id of a threat and prints, per id, how many of the cases its row demands were
// run and passed. test/threats/rows.json lists the cases; a pattern beside each finds its tests by name, and a case without
// one has no test yet. --report takes vitest JSON reports (several, with commas) instead of running anything.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, underPinnedNode } from './bootstrap.mjs';

underPinnedNode(process.argv[1], process.argv.slice(2));
const { values } = parseArgs({ options: { report: { type: 'string' }, json: { type: 'boolean', default: false } } });

/** How a test names its threat: at the beginning of its own title or of its group's. */
const ID = /^([PQMSKHALGD]\d*)(?=[ :]|$)/;
const ID_ANYWHERE = '(^|\\s)[PQMSKHALGD]\\d+[ :]';

const rows = JSON.parse(readFileSync(join(root, 'test/threats/rows.json'), 'utf8'));
const tests = values.report === undefined ? run() : values.report.split(',').flatMap(testsOf);
const scores = rows.map((row) => score(row, tests));
if (values.json) console.log(JSON.stringify(scores, null, 2));
else print(scores);
process.exitCode = scores.some(({ verdict }) => verdict === 'leaks') ? 1 : 0;

function score({ id, title, cases }, all) {
  const own = all.filter((test) => test.id === id);
  const demanded = Object.entries(cases);
  const passed = demanded.filter(([, pattern]) => {
    const found = pattern === null ? [] : own.filter(({ name }) => new RegExp(pattern, 'i').test(name));
    return found.length > 0 && found.every((test) => test.passed);
  });
  const missing = demanded.filter((one) => !passed.includes(one)).map(([words]) => words);
  const failed = own.filter((test) => !test.passed).map(({ name }) => name);
  const verdict =
    failed.length > 0 ? 'leaks' : own.length === 0 ? 'not covered' : missing.length > 0 ? 'partly' : 'survived';
  return { id, title, verdict, passed: passed.length, demanded: demanded.length, tests: own.length, missing, failed };
}

function print(scores) {
  console.log('| id | attack | verdict | cases | tests | not yet |\n| --- | --- | --- | --- | --- | --- |');
  for (const { id, title, verdict, passed, demanded, tests: count, missing, failed } of scores) {
    const open = verdict === 'not covered' ? '' : [...failed, ...missing].join('; ');
    console.log(
      `| ${id} | ${title} | ${verdict} | ${passed}/${demanded} | ${count} | ${open.replaceAll('|', '\\|')} |`,
    );
  }
  const count = (verdict) => scores.filter((one) => one.verdict === verdict).length;
  const words = ['survived', 'partly', 'leaks', 'not covered'].map((verdict) => `${count(verdict)} ${verdict}`);
  console.log(`\n${words.join(', ')}; ${tests.length} tests`);
}

/** One run for each project: the report says nothing of a file that does not load, but the run fails. */
function run() {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-score-'));
  try {
    return ['unit', 'e2e'].flatMap((project) => {
      const file = join(directory, `${project}.json`);
      const args = ['run', '--project', project, '-t', ID_ANYWHERE, '--reporter=json', `--outputFile=${file}`];
      const { stderr } = spawnSync('vitest', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
      if (!existsSync(file)) throw new Error(`the ${project} tests left no report:\n${stderr}`);
      return testsOf(file);
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The tests of a report that name a threat, in their own title or in that of the group they stand in. */
function testsOf(file) {
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'));
  return testResults.flatMap(({ assertionResults, status, name, message }) => {
    if (assertionResults.length === 0 && status === 'failed') console.error(`${name}: ${message}`);
    return assertionResults
      .filter((one) => one.status === 'passed' || one.status === 'failed')
      .map((one) => {
        const titles = [...one.ancestorTitles, one.title];
        const id = titles.map((title) => ID.exec(title)?.[1]).find((found) => found !== undefined) ?? null;
        return { id, name: titles.join(' '), passed: one.status === 'passed' };
      })
      .filter(({ id }) => id !== null);
  });
}
