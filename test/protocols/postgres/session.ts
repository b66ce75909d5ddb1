import { PostgresConversation } from '../../../src/protocols/postgres/conversation.ts';
import type { BackendMessage } from '../../../src/protocols/postgres/messages.ts';
import type { ConversationContext, Upstream } from '../../../src/protocols/protocol.ts';
import { catalogue, context, FakeClassifier } from './fakes.ts';
import {
  bindComplete,
  client,
  closeComplete,
  complete,
  Playbook,
  parseComplete,
  ready,
  row,
  server,
  startup,
} from './playbook.ts';

export const UPSTREAM: Upstream = {
  user: 'gateway',
  password: 'secret',
  auth: 'scram-sha-256',
  database: 'crm',
  tls: 'off',
  settings: { application_name: 'sallyport ses_1 alice' },
  catalogue: catalogue(),
};

export const PRINCIPAL = {
  kind: 'human',
  id: 'okta/alice',
  name: 'alice',
  provider: 'okta',
  groups: [],
  claims: {},
  person: 'okta/alice',
  onBehalfOf: null,
  mayApprove: true,
} as const;

/** The target's side of a session that it has just opened. */
export const GREETING: readonly BackendMessage[] = [
  { type: 'authentication-ok' },
  { type: 'parameter-status', name: 'client_encoding', value: 'UTF8' },
  { type: 'parameter-status', name: 'server_version', value: '18.4' },
  { type: 'backend-key-data', processId: 4711, secret: Buffer.from('0a0b0c0d', 'hex') },
  ready(),
];

export interface Meaning {
  readonly role?: string;
  readonly searchPath?: readonly string[];
  readonly strings?: 'on' | 'off';
}

/** The target's answer to the gateway's question about the session's state. */
export function stateAnswer(meaning: Meaning = {}, status: 'I' | 'T' | 'E' = 'I'): readonly BackendMessage[] {
  const path = meaning.searchPath ?? ['public'];
  return [
    closeComplete,
    parseComplete,
    bindComplete,
    row(
      meaning.role ?? 'gateway',
      'gateway',
      JSON.stringify(['pg_catalog', ...path]),
      JSON.stringify(path),
      meaning.strings ?? 'on',
      'off',
    ),
    complete('SELECT 1'),
    closeComplete,
    closeComplete,
    ready(status),
  ];
}

/** A session whose logins are over and whose state is known. */
export function openSession(
  more: {
    context?: ConversationContext;
    classifier?: FakeClassifier;
    upstream?: Partial<Upstream>;
    minor?: number;
  } = {},
): Playbook {
  const conversation = new PostgresConversation(more.context ?? context(), more.classifier ?? new FakeClassifier());
  return new Playbook(conversation)
    .when(startup({ user: 'alice', database: 'crm', application_name: 'psql' }, more.minor ?? 0))
    .skip()
    .when({ on: 'login-method', method: { kind: 'password' } })
    .skip()
    .when(client({ type: 'password', data: Buffer.from('token\0') }))
    .skip()
    .when({ on: 'identified', principal: PRINCIPAL })
    .skip()
    .when({ on: 'opened', sessionId: 'ses_1' })
    .skip()
    .when({ on: 'upstream-open', upstream: { ...UPSTREAM, ...more.upstream } })
    .skip()
    .when(server(...GREETING))
    .skip()
    .when(server(...stateAnswer()))
    .asksNothing();
}
