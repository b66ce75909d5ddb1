import fc from 'fast-check';

/** Any UTF-16 code unit, halves of characters too; cheaper to set up than fast-check's own tables of Unicode. */
const unit = fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code));

export function anyText(
  constraints: { readonly minLength?: number; readonly maxLength?: number } = {},
): fc.Arbitrary<string> {
  return fc.oneof(fc.string(constraints), fc.string({ ...constraints, unit }));
}
