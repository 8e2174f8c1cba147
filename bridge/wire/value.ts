import { WireFault } from './faults.js';
import { ARRAY_MAX_BYTES, CONTAINER_DEPTH_MAX } from './limits.js';
import { isObjectPathBytes } from './names.js';
import type { CompleteType } from './signature.js';
import { lookupSignature, singleType } from './signature.js';
import { signatureFault } from './signature-syntax.js';
import { TypeCode } from './types.js';
import { isUtf8 } from './utf8.js';

const BYTE = singleType('y');

/**
 * Checks marshalled values: D-Bus Specification, "Marshaling (Wire Format)". An instance checks
 * one message after the other. Methods return the position after what they checked, or a negated
 * {@link WireFault}. Nothing outside the bounds given to `open` is read.
 */
export class ValueValidator {
  /** where the text is that `string` has passed last */
  textStart = 0;
  /** where the array ends that `arrayStart` has passed last */
  arrayEnd = 0;
  /** what is in the variant that `variantStart` has passed last */
  variantType: CompleteType = BYTE;
  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private base = 0;
  private end = 0;
  private littleEndian = true;

  /**
   * `view` spans the same memory as `bytes`. `base`: the start of the message, which alignment counts from. `end`: the
   * first byte after.
   */
  open(bytes: Uint8Array, view: DataView, base: number, end: number, littleEndian: boolean): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = view;
    }
    this.base = base;
    this.end = end;
    this.littleEndian = littleEndian;
  }

  /** Values one after the other, at `depth` containers below the body. */
  values(types: readonly CompleteType[], position: number, depth: number): number {
    let p = position;
    for (let i = 0; i < types.length; i++) {
      p = this.value(types[i], p, depth);
      if (p < 0) return p;
    }
    return p;
  }

  value(type: CompleteType, position: number, depth: number): number {
    if (depth > CONTAINER_DEPTH_MAX) return -WireFault.Nesting;
    switch (type.code) {
      case TypeCode.String:
      case TypeCode.ObjectPath:
        return this.string(type.code, position);
      case TypeCode.Variant:
        return this.variant(position, depth);
      case TypeCode.Array:
        return this.array(type.children[0], position, depth);
      case TypeCode.StructBegin:
      case TypeCode.DictEntryBegin: {
        const fields = this.pad(position, 8);
        return fields < 0 ? fields : this.values(type.children, fields, depth + 1);
      }
      case TypeCode.Signature:
        return this.signature(position);
      default:
        return this.fixed(type, position);
    }
  }

  /** A variant at `depth`: its signature and its value. */
  variant(position: number, depth: number): number {
    const value = this.variantStart(position);
    return value < 0 ? value : this.value(this.variantType, value, depth + 1);
  }

  /** The signature of a variant. */
  variantStart(position: number): number {
    const { bytes, end } = this;
    if (position >= end) return -WireFault.OutOfBounds;
    const length = bytes[position];
    const nul = position + 1 + length;
    if (nul >= end) return -WireFault.OutOfBounds;
    const signature = lookupSignature(bytes, position + 1, length);
    if (signature === undefined) return -signatureFault(bytes, position + 1, length);
    if (bytes[nul] !== 0) return -WireFault.NotTerminated;
    if (signature.types.length !== 1) return -WireFault.SignatureNotSingle;
    this.variantType = signature.types[0];
    return nul + 1;
  }

  fixed(type: CompleteType, position: number): number {
    const size = type.fixedSize;
    const p = this.pad(position, size);
    if (p < 0) return p;
    if (this.end - p < size) return -WireFault.OutOfBounds;
    if (type.code === TypeCode.Boolean && this.view.getUint32(p, this.littleEndian) > 1) {
      return -WireFault.Boolean;
    }
    return p + size;
  }

  string(code: number, position: number): number {
    const p = this.pad(position, 4);
    if (p < 0) return p;
    if (this.end - p < 4) return -WireFault.OutOfBounds;
    const length = this.view.getUint32(p, this.littleEndian);
    const text = p + 4;
    this.textStart = text;
    if (length >= this.end - text) return -WireFault.OutOfBounds;
    if (this.bytes[text + length] !== 0) return -WireFault.NotTerminated;
    if (code === TypeCode.String) {
      if (!isUtf8(this.bytes, this.view, text, length)) return -WireFault.Utf8;
    } else if (!isObjectPathBytes(this.bytes, text, length)) {
      return -WireFault.ObjectPath;
    }
    return text + length + 1;
  }

  signature(position: number): number {
    const { bytes, end } = this;
    if (position >= end) return -WireFault.OutOfBounds;
    const length = bytes[position];
    const nul = position + 1 + length;
    if (nul >= end) return -WireFault.OutOfBounds;
    if (bytes[nul] !== 0) return -WireFault.NotTerminated;
    const fault = signatureFault(bytes, position + 1, length);
    return fault === 0 ? nul + 1 : -fault;
  }

  private array(element: CompleteType, position: number, depth: number): number {
    let p = this.arrayStart(element, position);
    if (p < 0) return p;
    const { arrayEnd } = this;
    if (element.fixedSize > 0) return this.fixedElements(element, p, arrayEnd);
    while (p < arrayEnd) {
      p = this.value(element, p, depth + 1);
      if (p < 0) return p;
    }
    return p === arrayEnd ? p : -WireFault.ArrayLength;
  }

  /** The length of an array, and the padding before its elements. */
  arrayStart(element: CompleteType, position: number): number {
    let p = this.pad(position, 4);
    if (p < 0) return p;
    if (this.end - p < 4) return -WireFault.OutOfBounds;
    const length = this.view.getUint32(p, this.littleEndian);
    if (length > ARRAY_MAX_BYTES) return -WireFault.ArrayTooLong;
    p = this.pad(p + 4, element.alignment);
    if (p < 0) return p;
    if (length > this.end - p) return -WireFault.OutOfBounds;
    this.arrayEnd = p + length;
    return p;
  }

  /** Only booleans can have a wrong value; of other types, only the length of the array is checked. */
  fixedElements(element: CompleteType, start: number, arrayEnd: number): number {
    if (((arrayEnd - start) & (element.fixedSize - 1)) !== 0) return -WireFault.ArrayLength;
    if (element.code === TypeCode.Boolean) {
      for (let p = start; p < arrayEnd; p += 4) {
        if (this.view.getUint32(p, this.littleEndian) > 1) return -WireFault.Boolean;
      }
    }
    return arrayEnd;
  }

  pad(position: number, alignment: number): number {
    const aligned = this.base + ((position - this.base + alignment - 1) & -alignment);
    if (aligned > this.end) return -WireFault.OutOfBounds;
    for (let p = position; p < aligned; p++) {
      if (this.bytes[p] !== 0) return -WireFault.Padding;
    }
    return aligned;
  }
}

/** The one instance: checking is synchronous, so calls cannot overlap. */
export const validator = new ValueValidator();
