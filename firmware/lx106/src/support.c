/* What the compiler expects to find. Plain loops: nothing here needs to be fast. */
#include <stddef.h>
#include <stdint.h>

void machine_exit(int32_t code) __attribute__((noreturn));

void *memcpy(void *target, const void *source, size_t length) {
    uint8_t *to = target;
    const uint8_t *from = source;
    for (size_t index = 0; index < length; index++) {
        to[index] = from[index];
    }
    return target;
}

void *memmove(void *target, const void *source, size_t length) {
    uint8_t *to = target;
    const uint8_t *from = source;
    if (to <= from) {
        return memcpy(target, source, length);
    }
    while (length > 0) {
        length--;
        to[length] = from[length];
    }
    return target;
}

void *memset(void *target, int value, size_t length) {
    uint8_t *to = target;
    for (size_t index = 0; index < length; index++) {
        to[index] = (uint8_t)value;
    }
    return target;
}

int memcmp(const void *left, const void *right, size_t length) {
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (size_t index = 0; index < length; index++) {
        if (a[index] != b[index]) {
            return a[index] < b[index] ? -1 : 1;
        }
    }
    return 0;
}

void abort(void) {
    machine_exit(3);
}

/* The CPU has no divider, and Debian's libgcc for it lacks these functions. Shift and subtract, the school method. */
static uint64_t divide(uint64_t dividend, uint64_t divisor, uint64_t *rest) {
    uint64_t quotient = 0;
    uint64_t remainder = 0;
    if (divisor == 0) {
        abort();
    }
    for (int bit = 63; bit >= 0; bit--) {
        remainder = (remainder << 1) | ((dividend >> bit) & 1);
        if (remainder >= divisor) {
            remainder -= divisor;
            quotient |= (uint64_t)1 << bit;
        }
    }
    *rest = remainder;
    return quotient;
}

uint64_t __udivdi3(uint64_t dividend, uint64_t divisor) {
    uint64_t rest;
    return divide(dividend, divisor, &rest);
}

uint64_t __umoddi3(uint64_t dividend, uint64_t divisor) {
    uint64_t rest;
    divide(dividend, divisor, &rest);
    return rest;
}

uint32_t __udivsi3(uint32_t dividend, uint32_t divisor) {
    uint32_t quotient = 0;
    uint32_t remainder = 0;
    if (divisor == 0) {
        abort();
    }
    for (int bit = 31; bit >= 0; bit--) {
        remainder = (remainder << 1) | ((dividend >> bit) & 1);
        if (remainder >= divisor) {
            remainder -= divisor;
            quotient |= (uint32_t)1 << bit;
        }
    }
    return quotient;
}

uint32_t __umodsi3(uint32_t dividend, uint32_t divisor) {
    uint32_t quotient = __udivsi3(dividend, divisor);
    return dividend - quotient * divisor;
}

/* The product modulo 2^64: add and double. */
uint64_t __muldi3(uint64_t left, uint64_t right) {
    uint64_t product = 0;
    while (right != 0) {
        if (right & 1) {
            product += left;
        }
        left <<= 1;
        right >>= 1;
    }
    return product;
}
