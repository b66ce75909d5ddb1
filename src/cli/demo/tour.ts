import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { ReplayEvent } from '../../api/contract.ts';
import { verifyLog } from '../../audit/verify.ts';
import { createClient, type GatewayClient } from '../client.ts';
import type { DemoStage } from './stage.ts';

/** What the tour says, step by step; `check` fails the tour where the gateway did not do what is said. */
export interface Narrator {
  title(text: string): void;
  say(text: string): void;
  shell(prompt: string, text: string): void;
  output(text: string): void;
  check(holds: boolean, what: string): void;
}

/** Five things in a minute: a masked column, a refused DROP, a write that waits for somebody else, the replay, the proof. */
export async function tour(stage: DemoStage, narrator: Narrator): Promise<void> {
  const ann = await connect(stage, 'ann@example.com');
  const dan = createClient({
    kind: 'network',
    url: stage.apiUrl,
    token: await stage.token('dan@example.com'),
    ca: stage.ca,
  });
  try {
    await maskedColumn(ann.client, narrator);
    await refusedDrop(ann.client, narrator);
    await heldWrite(ann, dan, narrator);
  } finally {
    await ann.client.end();
  }
  await replayed(dan, narrator);
  await verified(stage, narrator);
}

interface Ann {
  readonly client: pg.Client;
  readonly notices: string[];
}

async function connect(stage: DemoStage, user: string): Promise<Ann> {
  const client = new pg.Client({
    ...stage.postgres,
    user,
    password: await stage.token(user),
    database: 'crm',
    ssl: { ca: readFileSync(stage.ca, 'utf8'), servername: 'localhost' },
  });
  const notices: string[] = [];
  client.on('notice', (notice) => notices.push(notice.message ?? ''));
  client.on('error', () => {});
  await client.connect();
  return { client, notices };
}

async function maskedColumn(client: pg.Client, narrator: Narrator): Promise<void> {
  narrator.title('1. Ann, a developer, reads customers');
  narrator.say('Her client is an ordinary PostgreSQL client; her password is the token of her identity provider.');
  const sql = 'select id, name, email, ssn from customers order by id limit 3';
  narrator.shell('ann@crm', sql);
  const { rows } = await client.query(sql);
  narrator.output(table(rows));
  const ssn = rows.map((row) => String(row.ssn)).join(' ');
  narrator.check(rows.length === 3 && !/123-45|234-56|345-67/.test(ssn), 'social security numbers come back masked');
}

async function refusedDrop(client: pg.Client, narrator: Narrator): Promise<void> {
  narrator.title('2. She tries to drop a table');
  const sql = 'drop table customers';
  narrator.shell('ann@crm', sql);
  const refusal = await client.query(sql).then(
    () => null,
    (error: pg.DatabaseError) => error,
  );
  narrator.output(refusal === null ? 'DROP TABLE' : `ERROR:  ${refusal.message}\nHINT:  ${refusal.hint ?? ''}`);
  narrator.check(refusal?.code === '42501', 'the database has seen nothing of it, and the session lives on');
}

async function heldWrite(ann: Ann, dan: GatewayClient, narrator: Narrator): Promise<void> {
  narrator.title('3. She writes to production: that waits for somebody else');
  const sql = "update customers set plan = 'gold' where id = 4";
  narrator.shell('ann@crm', sql);
  const answer = ann.client.query(sql).then(
    (result) => result.rowCount,
    (error: Error) => error,
  );
  const request = await eventually('nothing was asked of Dan', async () => {
    const { items } = (await dan.call('GET', '/api/v1/requests?state=pending')) as { items: PendingRequest[] };
    return items[0];
  });
  await eventually('Ann was not told that she waits', async () => ann.notices[0]);
  narrator.output(ann.notices.map((notice) => `NOTICE:  ${notice}`).join('\n'));
  narrator.say('Dan, a DBA, sees the exact statement and approves it. Ann could not: she asked for it herself.');
  narrator.shell('dan', `sallyport requests approve ${request.id}`);
  narrator.output(request.statements.map(({ text }) => text).join('\n'));
  await dan.call('POST', `/api/v1/requests/${request.id}/decisions`, {
    decision: 'approve',
    reason: 'looks right',
    digest: request.digest,
  });
  const done = await answer;
  narrator.output(typeof done === 'number' ? `UPDATE ${done}` : String(done));
  narrator.check(done === 1, 'the very statement that was approved ran, once');
}

interface PendingRequest {
  readonly id: string;
  readonly digest: string;
  readonly statements: readonly { readonly text: string }[];
}

/** Looks again and again until there is something. */
async function eventually<T>(otherwise: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(otherwise);
}

async function replayed(dan: GatewayClient, narrator: Narrator): Promise<void> {
  narrator.title('4. The session, replayed');
  const { items: sessions } = (await dan.call('GET', '/api/v1/sessions?target=crm')) as { items: { id: string }[] };
  const id = sessions[0]?.id ?? '';
  narrator.shell('dan', `sallyport sessions replay ${id}`);
  const { items } = (await dan.call('GET', `/api/v1/sessions/${id}/replay`)) as { items: ReplayEvent[] };
  const actions = items.filter(({ text }) => text !== null);
  narrator.output(
    actions
      .map(
        (event) =>
          `${new Date(event.at).toISOString().slice(11, 19)}  ${(event.verdict ?? '').padEnd(7)}  ${event.text}`,
      )
      .join('\n'),
  );
  narrator.check(
    actions.some(({ verdict, text }) => verdict === 'refuse' && /drop table/.test(text ?? '')),
    'what was refused is there as well as what passed',
  );
}

async function verified(stage: DemoStage, narrator: Narrator): Promise<void> {
  narrator.title('5. The log, verified offline');
  const directory = join(stage.directory, 'data', 'audit');
  narrator.shell('auditor', 'sallyport audit verify --log data/audit --key data/audit/vkey');
  const vkey = readFileSync(join(directory, 'vkey'), 'utf8').trim();
  // A checkpoint is signed about once a second; what the tour did is under one in a moment.
  const entries = (await verifyLog({ directory, vkey })).size;
  const report = await eventually('no checkpoint was signed', async () => {
    const verified = await verifyLog({ directory, vkey });
    return verified.size > entries || verified.unsigned === 0 || !verified.whole ? verified : undefined;
  });
  narrator.output(
    report.whole ? `whole: ${report.size} entries are exactly what ${report.origin ?? '?'} signed` : 'NOT whole',
  );
  narrator.check(report.whole, 'every entry is what was signed, and none is missing in between');
}

function table(rows: readonly Record<string, unknown>[]): string {
  const [first] = rows;
  if (first === undefined) return '(0 rows)';
  const names = Object.keys(first);
  const width = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(width[index] ?? 0))
      .join(' | ')
      .trimEnd();
  return [
    line(names),
    width.map((count) => '-'.repeat(count)).join('-+-'),
    ...rows.map((row) => line(names.map((name) => String(row[name])))),
  ].join('\n');
}

const WAIT_MS = 10_000;
