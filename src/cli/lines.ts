import type { RecordEvent, ReplayEvent, requestView, View } from '../api/contract.ts';
import { escapeControls } from '../observe/redaction.ts';
import { clock, facts, moment, span } from './print.ts';

/** One entry of the record as one line. */
export function eventLine(event: RecordEvent): string {
  const where = [event.principal, event.target].filter((part) => part !== null).join(' → ');
  const rules = event.rules.length > 0 ? `[${event.rules.join(', ')}]` : '';
  const parts = [clock(event.at), where, what(event), event.text, why(event), rules];
  return `${escapeControls(parts.filter((part) => part !== null && part !== '').join('  '))}\n`;
}

/** The line, and below it what the client saw. */
export function replayLines(event: ReplayEvent): string {
  if (event.result === null || event.result === '') return eventLine(event);
  const rows = event.result.replace(/\n$/, '').split('\n');
  return `${eventLine(event)}${rows.map((row) => `          ${escapeControls(row)}\n`).join('')}`;
}

function what(event: RecordEvent): string {
  if (event.kind === 'action')
    return `${VERDICTS[event.verdict ?? ''] ?? event.verdict ?? '?'} ${event.verb ?? ''}`.trimEnd();
  if (event.kind === 'result') return `result ${sizes(event)}`.trimEnd();
  return [event.kind, ...factsOf(event)].join(' ');
}

function factsOf(event: RecordEvent): readonly string[] {
  const { facts = {} } = event;
  if (event.kind === 'admin')
    return [facts.action, facts.subject, facts.outcome]
      .filter((fact) => fact !== null && fact !== undefined)
      .map(String);
  return Object.entries(facts).flatMap(([name, value]) =>
    value === null || SHOWN_ELSEWHERE.has(name) ? [] : [`${name}=${factText(name, value)}`],
  );
}

/** Facts that are moments are named `…_at`. */
function factText(name: string, value: unknown): string {
  return name.endsWith('_at') && typeof value === 'number' ? moment(value).replace(' ', 'T') : String(value);
}

function sizes(event: RecordEvent): string {
  return Object.entries(event.sizes)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

function why(event: RecordEvent): string {
  if (event.code === null) return event.message ?? '';
  return event.message === null ? event.code : `${event.code}: ${event.message}`;
}

/** All that an approver decides on, as it will run. */
export function requestText(request: View<typeof requestView>, now: number): string {
  const left =
    request.state === 'pending'
      ? `${moment(request.expiresAt)} (in ${span(request.expiresAt - now)})`
      : moment(request.expiresAt);
  const head = facts([
    ['request', `${request.id} (${request.state})`],
    ['by', [request.principal, ...request.onBehalfOf.map((id) => `for ${id}`)].join(' ')],
    ['person', request.person],
    ['target', `${request.target}/${request.database} as ${request.role}`],
    ['rules', request.rules.join(', ')],
    ['message', request.message],
    ['reason', request.justification === '' ? null : request.justification],
    ['approvers', request.approvers.map((all) => all.join(' and ')).join(', or ')],
    ['approvals', `${request.decisions.filter(({ decision }) => decision === 'approve').length} of ${request.count}`],
    ['expires', left],
    ['touches', request.resources.join(', ')],
    ['digest', request.digest],
  ]);
  const statements = request.statements.map(({ text, times, parameters }) => {
    const lines = text
      .split('\n')
      .map((line) => `    ${escapeControls(line)}\n`)
      .join('');
    const values = parameters.map(
      (row) => `      ${escapeControls(row.map((value, index) => `$${index + 1} = ${value}`).join(', '))}\n`,
    );
    return `  statement${times > 1 ? `, ${times} times` : ''}:\n${lines}${values.join('')}`;
  });
  const warnings = [
    ...request.findings.map((finding) => `  look twice: ${escapeControls(finding)}\n`),
    ...(request.notCovered === '' ? [] : [`  not covered by the digest: ${escapeControls(request.notCovered)}\n`]),
    ...(request.inTransaction ? ['  a transaction is open: its locks are held until this is decided\n'] : []),
  ];
  const decisions = request.decisions.map(
    ({ by, decision, reason, at }) =>
      `  ${moment(at)} ${escapeControls(`${by}: ${decision}${reason === '' ? '' : `, ${reason}`}`)}\n`,
  );
  return [head, ...statements, ...warnings, ...decisions].join('');
}

const VERDICTS: Readonly<Record<string, string>> = {
  forward: 'PASSED',
  refuse: 'REFUSED',
  ask: 'HELD',
  observed: 'OBSERVED',
};
/** Facts that stand in fields of their own. */
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set(['code', 'error', 'tag', 'protocol']);
