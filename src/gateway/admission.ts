import type { Action, ActionDraft } from '../core/action.ts';
import { delegationChain } from '../core/principal.ts';
import type { Session } from '../core/session.ts';
import type { Reason, Verdict } from '../core/verdict.ts';
import type { Identification, Where } from '../identity/stage.ts';
import type { LoginMethod, Proof, WireEvent } from '../protocols/protocol.ts';
import { hold } from './asking.ts';
import type { SessionEntries } from './entries.ts';
import { type Destination, destinationOf, NOT_OPENED, openDraft, reasonOf, sessionOf, upstreamOf } from './opening.ts';
import type { GatewayPorts, Listener } from './ports.ts';

type Identified = Identification & { outcome: 'identified' };

/** What the admission of a client needs of its connection. */
export interface Lobby {
  readonly clientAddress: string;
  readonly entries: SessionEntries;
  dispatch(event: WireEvent): void;
  action(draft: ActionDraft, session: Session): Action;
  /** The session exists from here on; `null` takes it back. */
  begun(session: Session | null, destination: Destination | null): void;
  /** A person is being asked: the deadline for logging in no longer holds. */
  patient(): void;
  connected(socket: import('node:net').Socket): void;
  closed(): boolean;
  atEnd(cleanup: () => void): void;
  end(reason: Reason): void;
  drain(): void;
}

/** From a proof to a session at a target: who is it, where does he want to go, may he, and what is it like there. */
export class Admission {
  readonly #ports: GatewayPorts;
  readonly #listener: Listener;
  readonly #lobby: Lobby;
  #identified: Identified | null = null;

  constructor(ports: GatewayPorts, listener: Listener, lobby: Lobby) {
    this.#ports = ports;
    this.#listener = listener;
    this.#lobby = lobby;
  }

  async identify(proof: Proof): Promise<void> {
    if (proof.kind === 'client-certificate') return this.#refuse(proof.user, 'client certificates are not accepted');
    try {
      const answer = await this.#ports.identity.identify(proof, this.#where());
      if (answer.outcome === 'refused') return this.#refuse(proof.user, answer.inward);
      this.#identified = answer;
      this.#lobby.dispatch({ on: 'identified', principal: answer.principal });
    } catch (fault) {
      this.#ports.log.error({ err: fault }, 'identification failed');
      this.#refuse(proof.user, 'identification failed inside the gateway');
    }
  }

  loginMethod(user: string): Promise<LoginMethod> {
    return this.#ports.identity.loginMethod(user, this.#where());
  }

  async open(asked: string, clientName: string): Promise<void> {
    const { limits, pipeline } = this.#ports;
    const lobby = this.#lobby;
    let session: Session | null = null;
    try {
      const identified = this.#identified;
      if (identified === null) throw new Error('open before anybody was identified');
      const destination = destinationOf(this.#ports, this.#listener, asked, identified.principal);
      if (destination === null) {
        return this.#refuse(identified.principal.id, `no such target for it: ${asked.slice(0, NAME_SHOWN_MAX)}`);
      }
      const client = { address: lobby.clientAddress, name: clientName };
      session = sessionOf(this.#ports, destination, identified, client);
      const verdict = await this.#decide(lobby.action(openDraft(session), session));
      if (verdict.outcome !== 'forward') return lobby.dispatch({ on: 'not-identified', reason: outward(verdict) });
      pipeline.spend(verdict.clearance);
      if (lobby.closed()) return;
      this.#begin(session, destination, identified);
      const upstream = await upstreamOf(this.#ports, destination, session);
      const socket = await this.#ports.dial(destination.target.address, limits.dial_ms);
      if (lobby.closed()) return void socket.destroy();
      lobby.connected(socket);
      lobby.dispatch({ on: 'upstream-open', upstream });
    } catch (fault) {
      this.#ports.log.warn({ err: fault, session: session?.id ?? null }, 'the target could not be opened');
      lobby.dispatch({ on: 'upstream-failed', reason: reasonOf(fault) });
    }
  }

  #where(): Where {
    const { protocol, target } = this.#listener;
    return { clientAddress: this.#lobby.clientAddress, protocol: protocol.name, target, anyUser: target !== null };
  }

  async #decide(action: Action): Promise<Verdict> {
    const verdict = await this.#ports.pipeline.decide(action);
    if (verdict.outcome !== 'ask') return verdict;
    this.#lobby.patient();
    const controller = new AbortController();
    this.#lobby.atEnd(() => controller.abort('client-gone'));
    let stop = () => {};
    const [settled] = await this.#ports.pipeline.ask([action], {
      inTransaction: false,
      signal: controller.signal,
      filed: (request) => {
        stop = hold(this.#ports, request, (told) => this.#lobby.dispatch({ on: 'held', keys: [], hold: told }));
      },
    });
    stop();
    return settled ?? verdict;
  }

  #begin(session: Session, destination: Destination, identified: Identified): void {
    const { identity, sessions, count, catalogues, now } = this.#ports;
    const lobby = this.#lobby;
    lobby.begun(session, destination);
    try {
      lobby.entries.write(
        'session-start',
        { protocol: session.protocol, by: identified.by },
        {
          client: session.clientAddress,
          clientName: session.clientName,
          database: session.database,
          role: session.role,
          name: session.principal.name,
          groups: [...session.principal.groups],
          person: session.principal.person,
          onBehalfOf: delegationChain(session.principal)
            .slice(1)
            .map((link) => link.id),
        },
      );
    } catch (fault) {
      lobby.begun(null, null);
      throw fault;
    }
    count.sessionOpened(session.protocol);
    sessions.add({ session, end: (reason) => lobby.end(reason), drain: () => lobby.drain() });
    lobby.atEnd(identity.watch(identified, (reason) => lobby.end(reason)));
    if (session.endsAt !== null) {
      const left_ms = Math.min(Math.max(0, session.endsAt - now()), TIMER_MAX_MS);
      const timer = setTimeout(() => lobby.end(EXPIRED), left_ms);
      lobby.atEnd(() => clearTimeout(timer));
    }
    lobby.atEnd(
      catalogues.watch(session.target, session.database, (catalogue) => lobby.dispatch({ on: 'catalogue', catalogue })),
    );
    lobby.dispatch({ on: 'opened', sessionId: session.id });
  }

  #refuse(user: string, inward: string): void {
    const facts = { protocol: this.#listener.protocol.name };
    const { clientAddress, entries } = this.#lobby;
    entries.write('login-refused', facts, { user: user.slice(0, NAME_SHOWN_MAX), why: inward, client: clientAddress });
    this.#lobby.dispatch({ on: 'not-identified', reason: NOT_OPENED });
  }
}

/** People who said no may be named; a policy that says no looks like a wrong password. */
function outward(verdict: Verdict): Reason {
  return verdict.outcome === 'refuse' && verdict.reason.request !== null ? verdict.reason : NOT_OPENED;
}

const EXPIRED: Reason = {
  code: 'IDENTITY_EXPIRED',
  rule: null,
  why: 'the credential this session was opened with has expired',
  hint: 'log in again',
  cure: null,
  retry: 'never',
  request: null,
};

const NAME_SHOWN_MAX = 256;
/** setTimeout's longest delay; a session of 24 days is looked at again by then anyway. */
const TIMER_MAX_MS = 2_147_000_000;
