import type { WireProtocol } from '../protocol.ts';
import type { Classifier } from '../sql/statement.ts';
import { PostgresConversation } from './conversation.ts';
import { display, facts } from './display.ts';

/** PostgreSQL's frontend/backend protocol, 3.0 and 3.2, with the SQL of its texts judged by `classifier`. */
export function postgresProtocol(classifier: Classifier): WireProtocol {
  return {
    name: 'postgres',
    style: 'wire',
    converse: (context) => new PostgresConversation(context, classifier),
    display,
    facts,
  };
}
