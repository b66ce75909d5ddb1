import type { z } from 'zod';
import type { ConfigDocument } from './document.ts';
import type { Problem } from './problem.ts';
import { SECRET_META } from './scalars.ts';
import { parseSecret, type SecretSource, secretRef } from './secret.ts';
import { schemasAt } from './validate.ts';

export interface ReferenceFindings {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export interface ReferenceContext {
  readonly document: ConfigDocument;
  readonly base: readonly PropertyKey[];
  readonly source: SecretSource;
  readonly absolute: (path: string) => string;
  readonly present: boolean;
}

/**
 * Looks at every text of a validated value: references where a secret stands must be there; a secret in clear is worth
 * a warning; a reference where none is understood would be taken literally, so it is a problem.
 */
export function checkReferences(schema: z.ZodType, value: unknown, context: ReferenceContext): ReferenceFindings {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const visit = (here: unknown, path: readonly PropertyKey[]): void => {
    if (typeof here === 'string') visitText(here, path);
    else if (typeof here === 'object' && here !== null) {
      for (const [key, inner] of Object.entries(here)) visit(inner, [...path, Array.isArray(here) ? Number(key) : key]);
    }
  };
  const visitText = (text: string, path: readonly PropertyKey[]): void => {
    const at = [...context.base, ...path];
    if (!isSecretPlace(schema, path)) {
      if (!/\$\{(env|file):/.test(text)) return;
      problems.push(context.document.problemAt(at, 'references stand only for secrets; write the value here'));
      return;
    }
    const secret = parseSecret(text);
    if (secret.kind === 'malformed') return;
    if (secret.kind === 'literal') {
      warnings.push(
        context.document.problemAt(at, `a secret in clear; \${env:NAME} or \${file:PATH} keeps it out of this file`),
      );
      return;
    }
    if (!context.present) return;
    try {
      secretRef(secret, context.source, context.absolute).reveal();
    } catch (error) {
      problems.push(context.document.problemAt(at, error instanceof Error ? error.message : 'secret unavailable'));
    }
  };
  visit(value, []);
  return { problems, warnings };
}

function isSecretPlace(schema: z.ZodType, path: readonly PropertyKey[]): boolean {
  return schemasAt(schema, path).some((found) => found.meta()?.format === SECRET_META.format);
}
