/* Log lines in which nothing is unusual, read in one pass over their bytes (spec 2.2, design 6).

   A line is plain if it is of 11 or 12 fields in UTF-8 and would be accepted. What is not found plain is not judged here:
   parsing/tracking_log.py does that, and tests hold both against each other.

   No loop runs past a block: it ends with a line feed, which ends every field, and PADDING zeros follow it. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_COUNT = 7, NUMBER_COUNT = 5 };
enum { FIELD_6, REQUESTER_UUID, REQUESTER_TYPE, PARAMETERS, USER_AGENT, CLIENT_IP, FIELD_12 };
enum { OCCURRED_AT, COUNTER, MESSAGE_ID, DELIVERY_ID, URL_ID };
enum { LONGEST_UUID = 48 };

typedef struct { int32_t start, end; } Place;

/* One row of the columns that parsing/log_events.py describes. */
typedef struct {
    uint8_t prefix;
    int64_t *numbers;
    Place *texts;
} Row;

static inline bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }
static inline bool is_letter(uint8_t byte) { return (uint8_t)((byte | 32) - 'a') < 26; }
static inline bool is_alphanumeric(uint8_t byte) { return is_digit(byte) || is_letter(byte); }
static inline bool is_printable_ascii(uint8_t byte) { return byte >= ' ' && byte <= '~'; }

/* The value of a hex digit, or -1. */
static inline int hex_value(uint8_t byte) {
    if (is_digit(byte)) return byte - '0';
    uint8_t letter = (uint8_t)((byte | 32) - 'a');
    return letter < 6 ? letter + 10 : -1;
}

/* How many bytes a character beyond ASCII has; 0 where there is none, for bad UTF-8, and for control characters. */
static int character_length(const uint8_t *at) {
    uint8_t first = at[0], second = at[1];
    if (first < 0xC2 || first > 0xF4 || (second & 0xC0) != 0x80) return 0;
    if (first < 0xE0) return first == 0xC2 && second < 0xA0 ? 0 : 2;
    if ((at[2] & 0xC0) != 0x80) return 0;
    /* Overlong forms, surrogates, and what is beyond Unicode. */
    if (first < 0xF0) return (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ? 0 : 3;
    if ((at[3] & 0xC0) != 0x80) return 0;
    return (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) ? 0 : 4;
}

static const uint8_t *after_printable(const uint8_t *at) {
    for (;;) {
        /* Eight at once while they are ASCII without control characters. */
        uint64_t eight;
        for (;;) {
            memcpy(&eight, at, 8);
            const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
            if ((eight | (eight - ones * ' ') | (eight + ones)) & highs) break;
            at += 8;
        }
        while (is_printable_ascii(*at)) at++;
        int length = character_length(at);
        if (!length) return at;
        at += length;
    }
}

/* 1 to 8 hex digits as the signed 32-bit number they were, up to a tab; null where there is none. */
static const uint8_t *after_id(const uint8_t *at, int64_t *number) {
    uint64_t value = 0;
    const uint8_t *start = at;
    for (int digit; (digit = hex_value(*at)) >= 0 && at - start < 9; at++) value = value << 4 | (uint64_t)digit;
    if (at == start || at - start > 8 || *at != '\t') return 0;
    *number = (int32_t)(uint32_t)value;
    return at;
}

/* Two decimal digits, or a number that is less than any. */
static int two_digits(const uint8_t *at) { return is_digit(at[0]) && is_digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1; }

/* A time of the log's clock in microseconds since 2000-01-01, up to a tab; null where there is none from 2000 on. */
static const uint8_t *after_instant(const uint8_t *at, int64_t *instant) {
    static const int days_before[14] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    if (at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':') return 0;
    int century = two_digits(at), year_of_century = two_digits(at + 2), month = two_digits(at + 5), day = two_digits(at + 8);
    int hour = two_digits(at + 11), minute = two_digits(at + 14), second = two_digits(at + 17);
    if (century < 20 || year_of_century < 0 || month < 1 || month > 12 || day < 1) return 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return 0;
    int year = century * 100 + year_of_century;
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > days_before[month + 1] - days_before[month] + (is_leap && month == 2)) return 0;
    int before = year - 1;
    int leap_days = before / 4 - before / 100 + before / 400 - (1999 / 4 - 1999 / 100 + 1999 / 400);
    int64_t days = (year - 2000) * 365 + leap_days + days_before[month] + (is_leap && month > 2) + day - 1;
    int64_t microseconds = 0;
    at += 19;
    if (*at == '.') {
        const uint8_t *start = ++at;
        /* Six digits are kept, the rest is cut. */
        for (int64_t unit = 100000; is_digit(*at); at++, unit /= 10) microseconds += unit * (*at - '0');
        if (at == start) return 0;
    }
    if (*at != '\t') return 0;
    *instant = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + microseconds;
    return at;
}

static const uint8_t *after_ipv4(const uint8_t *at) {
    for (int octet = 0; octet < 4; octet++) {
        if (octet && *at++ != '.') return 0;
        const uint8_t *start = at;
        int value = 0;
        while (is_digit(*at) && at - start < 4) value = value * 10 + *at++ - '0';
        if (at == start || at - start > 3 || value > 255 || (at - start > 1 && *start == '0')) return 0;
    }
    return at;
}

/* Eight groups, or fewer with `::`. Where IPv4 stands for the last two the line is not plain. */
static const uint8_t *after_ipv6(const uint8_t *at) {
    int groups = 0;
    bool is_shortened = at[0] == ':' && at[1] == ':';
    if (is_shortened) at += 2;
    while (hex_value(*at) >= 0) {
        const uint8_t *start = at;
        while (hex_value(*at) >= 0 && at - start < 5) at++;
        if (at - start > 4 || ++groups > 8 || *at == '.') return 0;
        if (*at != ':') break;
        if (at[1] == ':') {
            if (is_shortened) return 0;
            is_shortened = true;
            at += 2;
        } else if (hex_value(at[1]) >= 0) {
            at++;
        } else {
            return 0;
        }
    }
    return (groups == 8) != is_shortened ? at : 0;
}

static const uint8_t *after_address(const uint8_t *at) {
    if (*at == '\t' || *at == '\n' || *at == '\r') return at;
    const uint8_t *end = after_ipv4(at);
    return end ? end : after_ipv6(at);
}

/* Read one line into a row; return where the next one begins, or null where the line is not plain. */
static const uint8_t *after_line(const uint8_t *block, const uint8_t *at, int64_t earliest, int64_t latest, Row *row) {
    uint64_t counter = 0;
    if (!is_alphanumeric(at[0]) || at[1] != '0' || at[2] != 'x') return 0;
    for (int place = 3; place < 19; place++) {
        int digit = hex_value(at[place]);
        if (digit < 0) return 0;
        counter = counter << 4 | (uint64_t)digit;
    }
    if (counter > INT64_MAX || at[19] != '\t') return 0;
    row->prefix = at[0];
    row->numbers[COUNTER] = (int64_t)counter;
    at = after_instant(at + 20, &row->numbers[OCCURRED_AT]);
    if (!at || row->numbers[OCCURRED_AT] < earliest || row->numbers[OCCURRED_AT] > latest) return 0;
    for (int number = MESSAGE_ID; number <= URL_ID; number++) {
        at = after_id(at + 1, &row->numbers[number]);
        if (!at) return 0;
    }
    const uint8_t *starts[TEXT_COUNT], *ends[TEXT_COUNT];
    starts[FIELD_6] = ++at;
    while (is_alphanumeric(*at)) at++;
    ends[FIELD_6] = at;
    if (*at != '\t') return 0;
    starts[REQUESTER_UUID] = ++at;
    while (is_alphanumeric(*at) || *at == '-') at++;
    ends[REQUESTER_UUID] = at;
    if (*at != '\t' || at - starts[REQUESTER_UUID] > LONGEST_UUID) return 0;
    starts[REQUESTER_TYPE] = ++at;
    if (is_letter(*at)) at++;
    ends[REQUESTER_TYPE] = at;
    if (*at != '\t') return 0;
    for (int text = PARAMETERS; text <= USER_AGENT; text++) {
        starts[text] = ++at;
        at = after_printable(at);
        ends[text] = at;
        if (*at != '\t') return 0;
    }
    starts[CLIENT_IP] = ++at;
    at = after_address(at);
    if (!at) return 0;
    const uint8_t *address_end = at;
    if (*at == ',') at = after_printable(at);
    ends[CLIENT_IP] = at;
    starts[FIELD_12] = ends[FIELD_12] = 0;
    /* A list and a twelfth field do not go together. */
    if (*at == '\t' && at == address_end) {
        starts[FIELD_12] = ++at;
        ends[FIELD_12] = at = after_printable(at);
    }
    if (*at == '\r') at++;
    if (*at != '\n') return 0;
    for (int text = 0; text < TEXT_COUNT; text++) {
        row->texts[text].start = starts[text] ? (int32_t)(starts[text] - block) : -1;
        row->texts[text].end = starts[text] ? (int32_t)(ends[text] - block) : -1;
    }
    return at + 1;
}

/* Read the lines of a block. Fills the columns of LogEvents (instants by the log's own clock, between `earliest` and
   `latest`) and, for lines that are not plain, their number, start and the place after their line feed. Returns how many
   lines were plain; the others are counted in `odd_count`. */
int64_t read_plain_lines(
    const uint8_t *block, int64_t size, int64_t earliest, int64_t latest, int64_t *line, uint8_t *prefix, int64_t *numbers,
    Place *texts, int64_t *odd_line, int64_t *odd_start, int64_t *odd_end, int64_t *odd_count) {
    const uint8_t *at = block;
    int64_t plain = 0, odd = 0;
    while (at < block + size) {
        Row row = {0, numbers + plain * NUMBER_COUNT, texts + plain * TEXT_COUNT};
        const uint8_t *next = after_line(block, at, earliest, latest, &row);
        if (next) {
            prefix[plain] = row.prefix;
            line[plain] = plain + odd;
            plain++;
        } else {
            next = (const uint8_t *)memchr(at, '\n', (size_t)(block + size - at)) + 1;
            odd_line[odd] = plain + odd;
            odd_start[odd] = at - block;
            odd_end[odd] = next - block;
            odd++;
        }
        at = next;
    }
    *odd_count = odd;
    return plain;
}
