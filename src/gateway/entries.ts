import type { Envelope, Sealed } from '../audit/stage.ts';
import type { Session } from '../core/session.ts';
import type { ConversationEntry } from '../protocols/protocol.ts';
import type { GatewayPorts } from './ports.ts';

/** Writes the entries that are not actions: how a session began and ended, what came back, what was refused before it. */
export class SessionEntries {
  readonly #ports: GatewayPorts;
  readonly #client: string;
  readonly #session: () => Session | null;

  constructor(ports: GatewayPorts, client: string, session: () => Session | null) {
    this.#ports = ports;
    this.#client = client;
    this.#session = session;
  }

  /** Throws where a result cannot be written: then it must not reach the client whole. */
  record(entry: ConversationEntry): void {
    switch (entry.kind) {
      case 'result': {
        const { rows, bytes, masked, error, tag, extra } = entry.facts;
        const sample = Buffer.from(entry.sample.buffer, entry.sample.byteOffset, entry.sample.byteLength);
        this.#ports.record.append(
          { ...this.#envelope('result'), sizes: { rows, bytes, masked }, of: entry.of, facts: { tag, error } },
          sample.length === 0 ? (extra ?? {}) : { ...extra, sample: sample.toString('base64') },
        );
        return;
      }
      case 'prepared':
        this.write(
          'prepared',
          { name: entry.name, verdict: entry.verdict, rule: entry.rule },
          { text: Buffer.from(entry.text).toString('utf8') },
        );
        return;
      case 'refused-bytes':
        this.#ports.count.refusedBytes(entry.code);
        this.write('refused-bytes', { code: entry.code }, { why: entry.message, client: this.#client });
        return;
    }
  }

  /** What cannot be written is logged; only a session that cannot be recorded must not begin. */
  write(kind: Envelope['kind'], facts: Envelope['facts'], sealed: Sealed): void {
    try {
      this.#ports.record.append({ ...this.#envelope(kind), facts }, sealed);
    } catch (fault) {
      this.#ports.log.error({ err: fault, kind }, 'an entry could not be written');
      if (kind === 'session-start') throw fault;
    }
  }

  #envelope(kind: Envelope['kind']): Envelope {
    const session = this.#session();
    return {
      kind,
      at: this.#ports.now(),
      session: session?.id ?? null,
      run: session?.runId ?? null,
      principal: session?.principal.id ?? null,
      target: session?.target ?? null,
      verb: null,
      resources: [],
      verdict: null,
      rules: [],
      sizes: {},
      of: null,
      facts: {},
    };
  }
}
