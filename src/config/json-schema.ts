import { z } from 'zod';
import { configSchema } from './schema.ts';

/** The schema that editors complete and check with (JSON Schema draft 7, which they understand best). */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  return { $id: CONFIG_SCHEMA_URL, ...schema };
}

/** The text of schema/v1.json. */
export function configJsonSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

export const CONFIG_SCHEMA_URL = 'https://sallyport.dev/schema/v1.json';
