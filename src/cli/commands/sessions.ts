import type { Command } from 'commander';
import { z } from 'zod';
import { page, type RecordEvent, type ReplayEvent, recordEvent, replayEvent, sessionView } from '../../api/contract.ts';
import { ask, route } from '../call.ts';
import type { GatewayClient } from '../client.ts';
import type { Context } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { eventLine, replayLines } from '../lines.ts';
import { example, speed, wholeNumber } from '../options.ts';
import { facts, jsonText, moment, span, table } from '../print.ts';

export function addSessions(program: Command, context: Context): void {
  const sessions = program.command('sessions').description('the record, live and past');
  addList(sessions, context);
  addShow(sessions, context);
  addTail(sessions, context);
  addReplay(sessions, context);
  sessions
    .command('kill <id>')
    .description('end a live session now')
    .addHelpText('after', example('sallyport sessions kill ses_1 --config sallyport.yaml'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const ended = await ask(context.client(command), z.object({ id: z.string() }), 'DELETE', route(['sessions', id]));
      context.io.stdout(context.wantsJson(command) ? `${jsonText(ended)}\n` : `session ${ended.id} is ended\n`);
    });
}

function addList(sessions: Command, context: Context): void {
  sessions
    .command('ls')
    .description('sessions, newest first')
    .option('--live', 'only those that are open now')
    .option('--principal <id>', 'only those of this principal')
    .option('--target <name>', 'only those to this target')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 200), 50)
    .addHelpText('after', example('sallyport sessions ls --live --config sallyport.yaml'))
    .action(
      async (options: { live?: boolean; principal?: string; target?: string; limit: number }, command: Command) => {
        const { live, ...filter } = options;
        const path = route(['sessions'], { ...filter, state: live === true ? 'live' : undefined });
        const { items } = await ask(context.client(command), page(sessionView), 'GET', path);
        if (context.wantsJson(command)) return context.io.stdout(`${jsonText(items)}\n`);
        const rows = items.map((one) => [
          one.id,
          one.state,
          one.principal,
          one.target,
          moment(one.startedAt),
          span((one.endedAt ?? context.io.now()) - one.startedAt),
          one.actions,
          one.refused,
          one.clientName,
        ]);
        context.io.stdout(
          table(['ID', 'STATE', 'PRINCIPAL', 'TARGET', 'STARTED', 'LASTED', 'ACTIONS', 'REFUSED', 'CLIENT'], rows),
        );
      },
    );
}

function addShow(sessions: Command, context: Context): void {
  sessions
    .command('show <id>')
    .description('one session and what happened in it')
    .addHelpText('after', example('sallyport sessions show ses_1 --config sallyport.yaml'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const client = context.client(command);
      const session = await ask(client, sessionView, 'GET', route(['sessions', id]));
      const events: RecordEvent[] = [];
      for await (const event of eventsOf(client, id, 'events', recordEvent)) events.push(event);
      if (context.wantsJson(command)) return context.io.stdout(`${jsonText({ ...session, events })}\n`);
      context.io.stdout(
        facts([
          ['session', `${session.id} (${session.state})`],
          ['principal', [session.principal, ...session.onBehalfOf.map((other) => `for ${other}`)].join(' ')],
          ['person', session.person],
          ['target', `${session.target}/${session.database} as ${session.role}`],
          ['client', `${session.clientName} from ${session.clientAddress}`],
          ['started', moment(session.startedAt)],
          ['ended', session.endedAt === null ? null : `${moment(session.endedAt)} ${session.endedWhy ?? ''}`.trimEnd()],
          ['actions', `${session.actions}, ${session.refused} refused`],
        ]),
      );
      for (const event of events) context.io.stdout(eventLine(event));
    });
}

function addTail(sessions: Command, context: Context): void {
  sessions
    .command('tail [id]')
    .description('what happens, one line an action, as it happens; all sessions, or one')
    .addHelpText('after', example('sallyport sessions tail --config sallyport.yaml'))
    .action(async (id: string | undefined, _options: unknown, command: Command) => {
      const path = id === undefined ? route(['tail']) : route(['sessions', id, 'tail']);
      for await (const { event, data } of context.client(command).follow(path, context.io.stop)) {
        if (event !== 'entry') {
          const { why } = tailEnd.parse(JSON.parse(data));
          if (event === 'dropped')
            throw new CommandFailure('CLIENT_TOO_SLOW', why, 'the record has it all: sessions show');
          context.io.stderr(`${why}\n`);
          return;
        }
        const entry = recordEvent.parse(JSON.parse(data));
        context.io.stdout(context.wantsJson(command) ? `${jsonText(entry, 0)}\n` : eventLine(entry));
      }
      if (!context.io.stop.aborted) throw new CommandFailure('GATEWAY_UNREACHABLE', 'the gateway went away');
    });
}

function addReplay(sessions: Command, context: Context): void {
  sessions
    .command('replay <id>')
    .description('a session as its client saw it, masked; the operator sees statements without results')
    .option('--speed <factor>', 'in its own time: 1 as it was, 2 twice as fast; without, at once', speed)
    .addHelpText('after', example('sallyport sessions replay ses_1 --speed 4 --gateway https://gw.example.com:8443'))
    .action(async (id: string, options: { speed?: number }, command: Command) => {
      let last: ReplayEvent | null = null;
      for await (const event of eventsOf(context.client(command), id, 'replay', replayEvent)) {
        if (options.speed !== undefined && last !== null) {
          await context.io.sleep(Math.min(PAUSE_MS_MAX, (event.at - last.at) / options.speed));
        }
        if (context.io.stop.aborted) return;
        context.io.stdout(context.wantsJson(command) ? `${jsonText(event, 0)}\n` : replayLines(event));
        last = event;
      }
      if (last === null) throw new CommandFailure('NOT_FOUND', `there is no session ${id}, or nothing happened in it`);
    });
}

/** All pages, in order. */
async function* eventsOf<Event extends z.ZodType>(
  client: GatewayClient,
  id: string,
  kind: 'events' | 'replay',
  schema: Event,
): AsyncGenerator<z.output<Event>> {
  let after: string | undefined;
  do {
    const { items, next } = await ask(
      client,
      page(schema),
      'GET',
      route(['sessions', id, kind], { limit: PAGE_ITEMS, after }),
    );
    yield* items;
    after = next ?? undefined;
  } while (after !== undefined);
}

const tailEnd = z.object({ why: z.string() });
const PAGE_ITEMS = 200;
/** Nobody watches somebody else's lunch break. */
const PAUSE_MS_MAX = 3_000;
