import type { RecordEvent, ReplayEvent, SessionView } from '../api/contract.ts';
import type { ApiRooms, Page, PageInput } from '../api/ports.ts';
import type { AuditLog } from '../audit/log.ts';
import type { StoredEntry } from '../audit/reader.ts';
import type { SessionSummary } from '../audit/session-index.ts';
import type { EntryIndex } from '../core/ids.ts';
import type { JsonValue } from '../core/json.ts';
import type { Reason } from '../core/verdict.ts';
import type { LiveSessions } from '../gateway/sessions.ts';
import { eventOf } from './events.ts';
import { renderSample } from './samples.ts';

/** Sessions for the API: what is live is asked of the gateway, what was is read from the record. */
export function sessionRooms(log: AuditLog, live: LiveSessions): ApiRooms['sessions'] {
  const view = async (summary: SessionSummary): Promise<SessionView> => {
    const [first] = summary.entries;
    const opening = first === undefined ? null : await startOf(log, summary);
    return sessionView(summary, opening, await endOf(log, summary), live.find(summary.id) !== null);
  };
  const entries = (id: string, input: PageInput) => paged(log.sessions.show(id)?.entries ?? [], input);

  return {
    list: async ({ state, principal, target, ...input }) => {
      const all = log.sessions.list({
        ...(principal === undefined ? {} : { principal }),
        ...(target === undefined ? {} : { target }),
      });
      // Only what was really opened is a session; a refused `open` is an action of nobody's session.
      const wanted = all.filter(
        ({ id, startedAt }) =>
          startedAt !== null && (state === undefined || (state === 'live') === (live.find(id) !== null)),
      );
      const after = input.after === undefined ? 0 : wanted.findIndex(({ id }) => id === input.after) + 1;
      const items = wanted.slice(after, after + input.limit);
      const more = wanted.length > after + input.limit;
      return { items: await Promise.all(items.map(view)), next: more ? (items.at(-1)?.id ?? null) : null };
    },
    show: async (id) => {
      const summary = log.sessions.show(id);
      return summary === null ? null : view(summary);
    },
    events: async (id, input) => {
      const { indexes, next } = entries(id, input);
      const items: RecordEvent[] = [];
      for await (const stored of log.reader.these(indexes)) items.push(eventOf(stored.entry, stored.sealed));
      return { items, next };
    },
    replay: async (id, withResults, input): Promise<Page<ReplayEvent>> => {
      const { indexes, next } = entries(id, input);
      const items: ReplayEvent[] = [];
      for await (const stored of log.reader.these(indexes)) {
        items.push({ ...eventOf(stored.entry, stored.sealed), result: withResults ? resultOf(stored) : null });
      }
      return { items, next };
    },
    kill: async (id, by) => {
      const found = live.find(id);
      found?.end({
        ...KILLED,
        why: `this session was ended by ${by.kind === 'operator' ? 'the operator' : by.identified.principal.name}`,
      });
      return found !== null;
    },
    tail: (session, entry, ended) =>
      log.subscribe(session === null ? {} : { session }, (event) => {
        if (event.kind === 'dropped') ended(`too slow: ${event.waiting} entries were waiting`);
        else {
          entry(eventOf(event.entry, event.sealed));
          if (session !== null && event.entry.kind === 'session-end') ended('the session has ended');
        }
      }),
  };
}

async function startOf(log: AuditLog, summary: SessionSummary): Promise<StoredEntry | null> {
  for await (const stored of log.reader.these(summary.entries.slice(0, START_WITHIN))) {
    if (stored.entry.kind === 'session-start') return stored;
  }
  return null;
}

async function endOf(log: AuditLog, summary: SessionSummary): Promise<StoredEntry | null> {
  const last = summary.endedAt === null ? undefined : summary.entries.at(-1);
  return last === undefined ? null : log.reader.entry(last);
}

function sessionView(
  summary: SessionSummary,
  start: StoredEntry | null,
  end: StoredEntry | null,
  isLive: boolean,
): SessionView {
  const opening = start?.sealed ?? {};
  return {
    id: summary.id,
    state: isLive ? 'live' : 'ended',
    protocol: text(start?.entry.facts.protocol),
    principal: summary.principal ?? '',
    person: typeof opening.person === 'string' ? opening.person : null,
    onBehalfOf: Array.isArray(opening.onBehalfOf) ? opening.onBehalfOf.map(text) : [],
    target: summary.target ?? '',
    database: text(opening.database),
    role: text(opening.role),
    clientAddress: text(opening.client),
    clientName: text(opening.clientName),
    startedAt: summary.startedAt ?? summary.lastAt,
    endedAt: isLive ? null : (summary.endedAt ?? summary.lastAt),
    endedWhy: end === null ? (isLive ? null : 'the gateway ended without saying') : text(end.sealed?.why),
    actions: summary.actions,
    refused: summary.refused,
  };
}

function resultOf(stored: StoredEntry): string | null {
  const sample = stored.sealed?.sample;
  return typeof sample === 'string' ? renderSample(Buffer.from(sample, 'base64')) : null;
}

function paged(
  all: readonly EntryIndex[],
  { limit, after }: PageInput,
): { indexes: readonly EntryIndex[]; next: string | null } {
  const from = after === undefined ? 0 : all.findIndex((index) => index > Number(after));
  const indexes = from < 0 ? [] : all.slice(from, from + limit);
  const more = from >= 0 && all.length > from + limit;
  return { indexes, next: more ? String(indexes.at(-1)) : null };
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

const KILLED: Reason = {
  code: 'IDENTITY_REVOKED',
  rule: null,
  why: 'this session was ended',
  hint: 'ask whoever ended it',
  cure: null,
  retry: 'never',
  request: null,
};

/** A session's start is its second entry, after the decision to open it. */
const START_WITHIN = 4;
