/* Stable colours: a function looks the same in every trace and on every machine.
 *
 * The tables are twelve hues of equal lightness (OKLCH), three shades each; the code of
 * libraries has the same hues with little chroma. Text on them is readable: contrast is
 * above 7 in both themes.
 */
#include "marey/raster.h"

#define HUES 12
#define SHADES 3

static const uint32_t light_own[HUES][SHADES] = {
    {0xFFFBC28F, 0xFFFFCD9A, 0xFFF1B886}, {0xFFA8D183, 0xFFB3DD8E, 0xFF9FC87A},
    {0xFF80ADEF, 0xFF8BB8FB, 0xFF77A4E5}, {0xFFF1AECC, 0xFFFDB9D8, 0xFFE7A4C3},
    {0xFFDCD068, 0xFFE7DC73, 0xFFD2C65D}, {0xFF72BDD1, 0xFF7DC9DD, 0xFF69B4C8},
    {0xFFA4A4F7, 0xFFAFAFFF, 0xFF9A9BEC}, {0xFFFDB9AB, 0xFFFFC4B6, 0xFFF3AFA2},
    {0xFF87CBA9, 0xFF92D6B4, 0xFF7EC1A0}, {0xFFCCA4EC, 0xFFD8AFF8, 0xFFC39BE2},
    {0xFFC0D36F, 0xFFCBDE7B, 0xFFB6C965}, {0xFF76B3E7, 0xFF81BEF2, 0xFF6DA9DD},
};
static const uint32_t light_library[HUES][SHADES] = {
    {0xFFE0CFC1, 0xFFECDBCC, 0xFFD6C6B7}, {0xFFC7D4BF, 0xFFD3DFCA, 0xFFBECAB5},
    {0xFFBDC9DD, 0xFFC8D5E9, 0xFFB3C0D3}, {0xFFDDCAD2, 0xFFE8D5DD, 0xFFD3C0C8},
    {0xFFD6D3BA, 0xFFE2DFC5, 0xFFCDCAB0}, {0xFFBACED3, 0xFFC5D9DF, 0xFFB0C4CA},
    {0xFFC6C7E0, 0xFFD1D2EB, 0xFFBDBDD6}, {0xFFE1CDC8, 0xFFECD8D3, 0xFFD7C3BE},
    {0xFFBFD2C8, 0xFFCADDD3, 0xFFB5C8BE}, {0xFFD2C7DC, 0xFFDDD2E8, 0xFFC8BDD2},
    {0xFFCED4BB, 0xFFDAE0C6, 0xFFC5CAB2}, {0xFFBBCBDA, 0xFFC6D6E6, 0xFFB1C1D0},
};
static const uint32_t dark_own[HUES][SHADES] = {
    {0xFF966639, 0xFFA47346, 0xFF8A5A2E}, {0xFF517329, 0xFF5D8038, 0xFF46671B},
    {0xFF2B548B, 0xFF386199, 0xFF1F487F}, {0xFF8D556F, 0xFF9B627D, 0xFF814A64},
    {0xFF7C7200, 0xFF8A7F06, 0xFF706600}, {0xFF196274, 0xFF296F81, 0xFF065768},
    {0xFF4D4C90, 0xFF5A599F, 0xFF424184}, {0xFF975E54, 0xFFA66B61, 0xFF8B5349},
    {0xFF326E52, 0xFF3F7B5E, 0xFF276247}, {0xFF6F4D88, 0xFF7C5996, 0xFF64417C},
    {0xFF657400, 0xFF72811B, 0xFF5A6800}, {0xFF1F5984, 0xFF2E6692, 0xFF104E78},
};
static const uint32_t dark_library[HUES][SHADES] = {
    {0xFF5F5145, 0xFF6C5E51, 0xFF54463A}, {0xFF4A5543, 0xFF57614F, 0xFF404A38},
    {0xFF414C5C, 0xFF4D5869, 0xFF374151}, {0xFF5C4C53, 0xFF695860, 0xFF514148},
    {0xFF57543E, 0xFF64614A, 0xFF4C4A33}, {0xFF3E5054, 0xFF4B5C61, 0xFF34454A},
    {0xFF494A5E, 0xFF56566B, 0xFF3F3F53}, {0xFF604F4B, 0xFF6C5B57, 0xFF544440},
    {0xFF43534B, 0xFF4F6057, 0xFF384840}, {0xFF534A5C, 0xFF605668, 0xFF483F50},
    {0xFF50553F, 0xFF5D624B, 0xFF454A35}, {0xFF3F4D5A, 0xFF4B5A67, 0xFF35434F},
};

static uint32_t
hash(struct marey_text text, size_t size_bytes)
{
    uint32_t h = UINT32_C(2166136261); /* FNV-1a */

    for (size_t i = 0; i < size_bytes && i < text.size_bytes; i++)
        h = (h ^ (uint8_t)text.bytes[i]) * UINT32_C(16777619);
    return h ^ (h >> 15);
}

static bool
contains(struct marey_text text, const char *word)
{
    size_t size = 0;

    while (word[size] != 0)
        size++;
    for (size_t i = 0; i + size <= text.size_bytes; i++) {
        size_t k = 0;
        while (k < size && text.bytes[i + k] == word[k])
            k++;
        if (k == size)
            return true;
    }
    return false;
}

bool
marey_function_is_library(const struct marey_function_info *function)
{
    struct marey_text file = function->file;

    if (function->is_span)
        return false;
    if (function->is_c || file.size_bytes == 0 || file.bytes[0] == '<')
        return true;
    return contains(file, "/site-packages/") || contains(file, "/dist-packages/") ||
           contains(file, "/lib/python3");
}

uint32_t
marey_raster_colour(const struct marey_function_info *function, bool is_dark)
{
    uint32_t hue = hash(function->module, function->module.size_bytes) % HUES;
    uint32_t shade = hash(function->name, function->name.size_bytes) % SHADES;

    if (marey_function_is_library(function))
        return is_dark ? dark_library[hue][shade] : light_library[hue][shade];
    return is_dark ? dark_own[hue][shade] : light_own[hue][shade];
}

uint32_t
marey_raster_value_colour(uint32_t hash, bool is_dark)
{
    uint32_t hue = hash % HUES, shade = hash / HUES % SHADES;

    return is_dark ? dark_own[hue][shade] : light_own[hue][shade];
}

uint32_t
marey_raster_background(bool is_dark)
{
    return is_dark ? 0xFF1C1814 : 0xFFFFFFFF;
}
