/* Charge controller of the battery house, firmware 3.2. */
#include <stdbool.h>

#define WARM_CELSIUS 35.0
#define FAST_LIMIT_CELSIUS 40.0
#define ALARM_CELSIUS 45.0 /* raises E-417 */

/* Charging current in amperes for the hottest cell of a rack. */
double charge_current(double hottest_celsius, double wanted_amperes)
{
    if (hottest_celsius >= ALARM_CELSIUS || hottest_celsius < 2.0)
        return 0.0;
    if (hottest_celsius >= FAST_LIMIT_CELSIUS && wanted_amperes > 60.0)
        wanted_amperes = 60.0;
    return hottest_celsius > WARM_CELSIUS ? wanted_amperes / 2.0 : wanted_amperes;
}
