/* Events as rows of `COPY raw.events … (format binary)`, and the distinct texts of one of their columns. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_COUNT = 7, NUMBER_COUNT = 5, USER_AGENT = 4 };
/* Field count, five numbers, load, user agent, source, prefix and flag, each with its length; lengths of six texts. */
enum { FIELD_COUNT = 16, FIXED_SIZE = 2 + 6 * 12 + 8 + 6 + 5 + 5 + 6 * 4 };

typedef struct { int32_t start, end; } Place;

static inline uint8_t *put_16(uint8_t *at, int16_t value) {
    uint16_t swapped = __builtin_bswap16((uint16_t)value);
    memcpy(at, &swapped, 2);
    return at + 2;
}

static inline uint8_t *put_32(uint8_t *at, int32_t value) {
    uint32_t swapped = __builtin_bswap32((uint32_t)value);
    memcpy(at, &swapped, 4);
    return at + 4;
}

static inline uint8_t *put_64(uint8_t *at, int64_t value) {
    uint64_t swapped = __builtin_bswap64((uint64_t)value);
    memcpy(at, &swapped, 8);
    return at + 8;
}

/* How many bytes `write_event_rows` writes. */
int64_t event_rows_size(int64_t count, const Place *texts) {
    int64_t size = count * FIXED_SIZE;
    for (int64_t row = 0; row < count; row++, texts += TEXT_COUNT)
        for (int text = 0; text < TEXT_COUNT; text++)
            if (text != USER_AGENT) size += texts[text].end - texts[text].start;
    return size;
}

/* Write rows with the columns occurred_at, counter, message_id, delivery_id, url_id, load_id, user_agent_id, source_id,
   prefix, has_replaced_bytes and the texts but the user agent, of which a place of -1 is null. */
void write_event_rows(
    int64_t count, const uint8_t *buffer, const uint8_t *prefix, const int64_t *numbers, const Place *texts,
    const uint8_t *has_replaced_bytes, const int32_t *user_agent_id, int64_t load_id, int16_t source_id, uint8_t *rows) {
    uint8_t *at = rows;
    for (int64_t row = 0; row < count; row++, numbers += NUMBER_COUNT, texts += TEXT_COUNT) {
        at = put_16(at, FIELD_COUNT);
        for (int number = 0; number < NUMBER_COUNT; number++) at = put_64(put_32(at, 8), numbers[number]);
        at = put_64(put_32(at, 8), load_id);
        at = put_32(put_32(at, 4), user_agent_id[row]);
        at = put_16(put_32(at, 2), source_id);
        at = put_32(at, 1);
        *at++ = prefix[row];
        at = put_32(at, 1);
        *at++ = has_replaced_bytes[row];
        for (int text = 0; text < TEXT_COUNT; text++) {
            if (text == USER_AGENT) continue;
            Place place = texts[text];
            if (place.start < 0) {
                at = put_32(at, -1);
                continue;
            }
            int32_t length = place.end - place.start;
            at = put_32(at, length);
            memcpy(at, buffer + place.start, (size_t)length);
            at += length;
        }
    }
}

static uint64_t hash(const uint8_t *at, int32_t length) {
    uint64_t value = (uint64_t)length;
    for (; length >= 8; length -= 8, at += 8) {
        uint64_t eight;
        memcpy(&eight, at, 8);
        value = (value ^ eight) * 0x9E3779B97F4A7C15;
        value ^= value >> 32;
    }
    for (; length > 0; length--, at++) value = (value ^ *at) * 0x9E3779B97F4A7C15;
    return value ^ value >> 29;
}

/* Number the distinct user agents in the order in which they come. `slots` is room for a table of 2^n numbers, all -1 and
   at least twice as many as rows. Fills the number of each row and the first row of each number; returns how many. */
int64_t number_user_agents(
    int64_t count, const uint8_t *buffer, const Place *texts, int32_t *slots, int64_t slot_count, int32_t *numbers,
    int32_t *first_rows) {
    int32_t distinct = 0;
    for (int64_t row = 0; row < count; row++) {
        Place place = texts[row * TEXT_COUNT + USER_AGENT];
        int32_t length = place.end - place.start;
        uint64_t slot = hash(buffer + place.start, length) & (uint64_t)(slot_count - 1);
        for (;; slot = (slot + 1) & (uint64_t)(slot_count - 1)) {
            int32_t known = slots[slot];
            if (known < 0) {
                first_rows[distinct] = (int32_t)row;
                slots[slot] = distinct++;
                break;
            }
            Place other = texts[(int64_t)first_rows[known] * TEXT_COUNT + USER_AGENT];
            if (other.end - other.start == length && !memcmp(buffer + other.start, buffer + place.start, (size_t)length)) break;
        }
        numbers[row] = slots[slot];
    }
    return distinct;
}
